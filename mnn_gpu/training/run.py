"""The state of a running training, and the model and history that it ends with."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from mnn_gpu.backends import Backend
from mnn_gpu.distributed.process_group import ProcessGroup
from mnn_gpu.errors import DivergedError
from mnn_gpu.models.model import Model
from mnn_gpu.nn.parameters import fold_input_scale
from mnn_gpu.step.batch import Batch, NetworkSpec
from mnn_gpu.step.train_step import State
from mnn_gpu.training.batches.device_data import DeviceData
from mnn_gpu.training.batches.plan import BatchPlan
from mnn_gpu.training.compiled_step import CompiledStep
from mnn_gpu.training.config import TrainingConfig
from mnn_gpu.training.early_stopping import EarlyStopping
from mnn_gpu.training.evaluator import Evaluator
from mnn_gpu.training.history import History
from mnn_gpu.training.hooks import Hook
from mnn_gpu.training.learning_curve import Record

MAX_ADVISED_RATE = 0.1
"""The highest learning rate that an error message suggests."""


@dataclass
class TrainingRun:
    """A running training. Only its methods and `checkpoint.restore` write its state.

    Attributes
    ----------
    state : State
        Parameters, optimizer state and metrics, on the device.
    step : CompiledStep
        Set by `compile`.
    iteration : int
        Updates made.
    in_step : bool
        Whether a step is running: ``state`` and ``iteration`` may disagree.
    last_good : (iteration, theta) or None
        The parameters of the last record, on the host.
    started : float
        On the clock of `time.perf_counter`, minus the seconds of a resumed run's earlier parts.
    """

    config: TrainingConfig
    backend: Backend
    ranks: ProcessGroup
    task: NetworkSpec
    data: DeviceData
    plan: BatchPlan
    state: State
    evaluator: Evaluator = field(init=False)
    step: CompiledStep = field(init=False)
    iteration: int = 0
    in_step: bool = False
    records: list[Record] = field(default_factory=list)
    early_stopping: EarlyStopping = field(init=False)
    last_good: tuple[int, npt.NDArray[Any]] | None = None
    started: float = 0.0

    def __post_init__(self) -> None:
        self.evaluator = Evaluator(self.config, self.backend, self.ranks, self.task, self.data)
        self.early_stopping = EarlyStopping(self.config)

    @property
    def seconds(self) -> float:
        return time.perf_counter() - self.started

    @property
    def is_at_record(self) -> bool:
        """Whether the history has, or is about to get, a record of this iteration."""
        return self.iteration % self.plan.interval == 0 or self.iteration == self.plan.total

    # ---- steps -----------------------------------------------------------------------

    def compile(self) -> None:
        """Prepare the step; all ranks call this, as their reductions may have to connect."""
        sharding, config = self.plan.sharding, self.config
        if sharding is not None:
            rows = config.shard_rows or self.backend.shard_rows
            # One microbatch's gradient has no more digits than its dtype.
            is_sum = sharding.shards > sharding.ranks or self.plan.size > sharding.shards * rows
            dtype = "float64" if sharding.is_wide and is_sum else config.dtype
            exchange = self.ranks.exchange(sharding, dtype, self.backend)
            sharding = replace(sharding, exchange=exchange)
        self.step = CompiledStep(self.plan, self.data, self.ranks, sharding)

    def start_clock(self, seconds_before: float = 0.0) -> None:
        """Start timing, after what a resumed run has taken before."""
        self.backend.synchronize()
        self.started = time.perf_counter() - seconds_before

    def advance(self, steps: int, batch: Batch) -> None:
        """Make some updates; ``batch`` has the batches of that number of steps."""
        self.in_step = True
        if self.iteration % self.plan.per_epoch == 0:
            self._reset_metrics()
        self.state = self.step.run(self.state, batch)
        self.iteration += steps
        self.in_step = False
        if self.backend.is_host:
            # On other devices this would wait for the step; there it is checked at each record.
            self.check_finite()

    def _reset_metrics(self) -> None:
        asarray = self.backend.asarray
        loss, correct = asarray(0.0, dtype=self.config.dtype), asarray(0, dtype=np.int32)
        self.state = self.state._replace(loss=loss, correct=correct)

    # ---- records ---------------------------------------------------------------------

    def report(self, hooks: Sequence[Hook]) -> bool:
        """Make a record if one is due; return whether it ends the run."""
        return self.step.retry_on_oom(lambda: self._report(hooks))

    def _report(self, hooks: Sequence[Hook]) -> bool:
        if not self.is_at_record:
            return False
        if not self.records or self.records[-1].iteration < self.iteration:
            self.records.append(self.record())
            self.last_good = self.iteration, self._theta()
            for hook in hooks:
                hook.on_record(self.records[-1])
        return self.early_stopping.is_over(self.records, self._theta)

    def record(self) -> Record:
        """Read the metrics: besides saving a checkpoint, the only wait for the device."""
        self.check_finite()
        samples = self.plan.samples_at(self.iteration)
        validation = self.evaluator.held_out(self._parameters())
        return Record(
            iteration=self.iteration,
            epoch=self.plan.place_of(self.iteration)[0] + 1,
            loss=float(self.backend.to_numpy(self.state.loss)) / samples,
            accuracy=int(self.backend.to_numpy(self.state.correct)) / samples,
            seconds=self.seconds,
            validation_loss=validation.loss if validation else None,
            validation_accuracy=validation.accuracy if validation else None,
        )

    def _parameters(self) -> Any:
        """Return the parameters of the model: theta or its average, for inputs from 0 to 1."""
        theta = self.state.optimizer_state[-1] if self.config.ema_decay else self.state.theta
        scale = self.task.input_scale
        return theta if scale == 1 else fold_input_scale(theta, self.task.layer_sizes, scale)

    def _theta(self) -> npt.NDArray[Any]:
        return np.array(self.backend.to_numpy(self._parameters()))

    # ---- the result ------------------------------------------------------------------

    def result(self) -> tuple[Model, History]:
        """Return the model and its history; see `check_finite`."""
        # The last evaluation may need memory that the compiled step holds.
        return self.step.retry_on_oom(self._result)

    def _result(self) -> tuple[Model, History]:
        seconds, best = self.seconds, self.early_stopping.best
        theta = self._theta() if best is None else best.theta
        self.check_finite()
        if not np.isfinite(theta).all():
            raise self._diverged(self.iteration)
        record = None if best is None else self.records[best.record]
        return self.evaluator.result(theta, self.records, self.iteration, seconds, record)

    # ---- divergence ------------------------------------------------------------------

    def is_finite(self) -> bool:
        """Return whether the loss was finite in every step."""
        return int(self.backend.to_numpy(self.state.finite_steps)) >= self.iteration

    def check_finite(self) -> None:
        """Raise a DivergedError unless the loss was finite in every step."""
        if not self.is_finite():
            raise self._diverged(int(self.backend.to_numpy(self.state.finite_steps)) + 1)

    def _diverged(self, iteration: int) -> DivergedError:
        rate, where, rows = self.config.learning_rate, "", None
        if self.plan.per_epoch > 1:
            epoch, batch = self.plan.place_of(iteration)
            rows = self.data.batch_rows(self.plan, iteration)
            where = f" (epoch {epoch + 1}, batch {batch + 1} of {self.plan.per_epoch})"
        advised = min(rate / 10, MAX_ADVISED_RATE)
        return DivergedError(
            f"The training diverged: the loss is not finite from iteration {iteration} on{where}.",
            f"Lower the learning rate, now {rate:g}: try --lr {advised:g}.",
            iteration,
            rows,
            None if self.last_good is None else self._last_good_model(*self.last_good),
        )

    def _last_good_model(self, iteration: int, theta: npt.NDArray[Any]) -> Model:
        return self.evaluator.result(theta, self.records, iteration, self.seconds)[0]
