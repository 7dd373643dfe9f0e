"""What is known of a training while it runs, and what comes out of it."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from mnn_gpu.backends import Backend
from mnn_gpu.distributed.process_group import ProcessGroup
from mnn_gpu.errors import DivergedError
from mnn_gpu.models.evaluation import Evaluation, evaluation, score_shards
from mnn_gpu.models.model import Model
from mnn_gpu.nn.parameters import fold_input_scale, unflatten
from mnn_gpu.step.batch import NetworkSpec
from mnn_gpu.step.microbatches import Microbatch
from mnn_gpu.step.train_step import State
from mnn_gpu.training.batches.device_data import Resident
from mnn_gpu.training.batches.plan import Plan
from mnn_gpu.training.checkpoints.checkpoint_file import Snapshot, state_arrays
from mnn_gpu.training.config import TrainingConfig
from mnn_gpu.training.early_stopping import Stopping
from mnn_gpu.training.history import History, Record
from mnn_gpu.training.hooks import Hook
from mnn_gpu.training.learning_curve import columns
from mnn_gpu.version import __version__

MOST_RATE = 0.1
"""Of learning rates that are advised."""


@dataclass
class Course:
    """The records of a training, and how it stands.

    Attributes
    ----------
    config : TrainingConfig
    backend : Backend
    task : NetworkSpec
    plan : Plan
    data : Resident
    ranks : ProcessGroup
    iteration : int
        Updates made.
    records : list of Record
    stopping : Stopping
    last_good : (iteration, theta) or None
        The parameters of the last record, on the host.
    started : float
        On the clock of `time.perf_counter`, what earlier parts took taken off.
    """

    config: TrainingConfig
    backend: Backend
    task: NetworkSpec
    plan: Plan
    data: Resident
    ranks: ProcessGroup = field(default_factory=ProcessGroup)
    iteration: int = 0
    records: list[Record] = field(default_factory=list)
    stopping: Stopping = field(init=False)
    last_good: tuple[int, npt.NDArray[Any]] | None = None
    started: float = 0.0

    def __post_init__(self) -> None:
        self.stopping = Stopping(self.config)

    @property
    def seconds(self) -> float:
        return time.perf_counter() - self.started

    @property
    def is_at_record(self) -> bool:
        """Whether this iteration has a record in the history, now or soon."""
        return self.iteration % self.plan.interval == 0 or self.iteration == self.plan.total

    def samples_at(self, iteration: int) -> int:
        """Return how many samples the epoch of an iteration had by then; 0 before the first."""
        rows = self.data.rows
        batches = (iteration - 1) % self.plan.per_epoch + 1 if iteration else 0
        return min(batches * (self.config.batch_size or rows), rows)

    # ---- records ---------------------------------------------------------------------

    def report(self, state: State, hooks: Sequence[Hook]) -> bool:
        """Make a record if one is due; say whether the training is over by it."""
        if not self.is_at_record:
            return False
        if not self.records or self.records[-1].iteration < self.iteration:
            self.records.append(self._record(state))
            self.last_good = self.iteration, self._theta(state)
            for hook in hooks:
                hook.on_record(self.records[-1])
        return self.stopping.is_over(self.records, lambda: self._theta(state))

    def _record(self, state: State) -> Record:
        """Read the metrics: the one place where the loop waits for the device."""
        iteration, per_epoch = self.iteration, self.plan.per_epoch
        self.check_finite(state)
        samples = self.samples_at(iteration)
        validation = self._validated(self._parameters(state))
        return Record(
            iteration=iteration,
            epoch=(iteration - 1) // per_epoch + 1,
            loss=float(self.backend.to_numpy(state.loss)) / samples,
            accuracy=int(self.backend.to_numpy(state.correct)) / samples,
            seconds=self.seconds,
            validation_loss=validation.loss if validation else None,
            validation_accuracy=validation.accuracy if validation else None,
        )

    def _parameters(self, state: State) -> Any:
        """Return what the model is to have: theta, or its average, for inputs 0 to 1."""
        theta = state.slots[-1] if self.config.ema_decay else state.theta
        scale = self.task.input_scale
        return theta if scale == 1 else fold_input_scale(theta, self.task.layer_sizes, scale)

    def _theta(self, state: State) -> npt.NDArray[Any]:
        return np.array(self.backend.to_numpy(self._parameters(state)))

    def _validated(self, theta: Any) -> Evaluation | None:
        return self._score(theta, self.data.validation) if self.data.has_validation else None

    def _score(self, theta: Any, shards: Iterable[Microbatch]) -> Evaluation:
        """Hold the network's answers for these shards, and other ranks', against the labels."""
        layers = unflatten(theta, self.task.layer_sizes)
        own = score_shards(self.backend, layers, shards)
        return evaluation(np.concatenate(self.ranks.allgather(own)))

    # ---- the result ------------------------------------------------------------------

    def snapshot(self, state: State) -> Snapshot:
        """Return how the training stands, for a checkpoint."""
        arrays = state_arrays(state, self.backend)
        records = tuple(self.records)
        return Snapshot(arrays, self.iteration, self.seconds, records, self.stopping.best)

    def result(self, state: State) -> tuple[Model, History]:
        """Return the model and its history.

        Raises
        ------
        DivergedError
        """
        seconds, best = self.seconds, self.stopping.best
        theta = self._theta(state) if best is None else best.theta
        self.check_finite(state)
        if not np.isfinite(theta).all():
            raise self._diverged(self.iteration)
        here = self.backend.asarray(theta)
        history = History(
            tuple(self.records),
            self.iteration,
            seconds,
            self._score(here, self.data.shards),
            self._validated(here),
            self.records[best.record] if best else None,
        )
        return self._model(theta, history), history

    def _model(self, theta: npt.NDArray[Any], history: History) -> Model:
        info = {
            "recipe": asdict(self.config),
            "version": __version__,
            "device": self.backend.device,
            "iterations": history.iterations,
            "training_accuracy": history.training.accuracy,
            "held_out_accuracy": history.validation.accuracy if history.validation else None,
            "history": columns(history.records, history.best),
        }
        sizes, data = tuple(self.task.layer_sizes), self.data
        if data.feature_names is not None:
            info["feature_names"] = list(data.feature_names)
        return Model(theta, sizes, data.classes, info, float(data.pixel_max))

    # ---- a loss that is not finite ---------------------------------------------------

    def is_finite(self, state: State) -> bool:
        """Return whether every step so far had a finite loss."""
        return int(self.backend.to_numpy(state.finite_steps)) >= self.iteration

    def check_finite(self, state: State) -> None:
        """See that every step so far had a finite loss.

        Raises
        ------
        DivergedError
        """
        finite_steps = int(self.backend.to_numpy(state.finite_steps))
        if finite_steps < self.iteration:
            raise self._diverged(finite_steps + 1)

    def _diverged(self, iteration: int) -> DivergedError:
        rate, where, rows = self.config.learning_rate, "", None
        if self.plan.per_epoch > 1:
            epoch, batch = divmod(iteration - 1, self.plan.per_epoch)
            rows = self.plan.rows_of(iteration)
            where = f" (epoch {epoch + 1}, batch {batch + 1} of {self.plan.per_epoch})"
        return DivergedError(
            f"The training diverged: the loss is not finite from iteration {iteration} on{where}.",
            f"Lower the learning rate, now {rate:g}: try --lr {min(rate / 10, MOST_RATE):g}.",
            iteration,
            rows,
            self._last_good_model(),
        )

    def _last_good_model(self) -> Model | None:
        if self.last_good is None:
            return None
        iteration, theta = self.last_good
        here = self.backend.asarray(theta)
        scores = self._score(here, self.data.shards), self._validated(here)
        return self._model(theta, History(tuple(self.records), iteration, self.seconds, *scores))
