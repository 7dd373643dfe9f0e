"""The training loop: host arrays in, a model and its history out."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from mnn_gpu import __version__, network
from mnn_gpu.backend import Backend, checked_backend
from mnn_gpu.backend.base import Run
from mnn_gpu.batches import Plan
from mnn_gpu.checkpoint import Checkpoint, Snapshot, data_digest, state_arrays, state_from
from mnn_gpu.config import TrainingConfig
from mnn_gpu.curve import columns
from mnn_gpu.errors import DivergedError, UsageError
from mnn_gpu.history import History, Hook, Record, TrainingInterrupted
from mnn_gpu.inference import Evaluation, score_shards
from mnn_gpu.interrupts import FinishStep
from mnn_gpu.model import Model
from mnn_gpu.randomness import PARAMETERS, generator
from mnn_gpu.resident import Labelled, placed
from mnn_gpu.samples import Data, Task
from mnn_gpu.shards import Shard
from mnn_gpu.step import State, first_state, training_step
from mnn_gpu.stopping import Stopping, check_held_out

MOST_MEMORY = 2**44
"""Bytes; a bound where the device does not tell how much it has."""


def train(
    X: npt.ArrayLike,
    y: npt.ArrayLike,
    config: TrainingConfig | None = None,
    *,
    backend: Backend | None = None,
    validation: Labelled | None = None,
    classes: npt.ArrayLike | None = None,
    hooks: Sequence[Hook] = (),
    checkpoint: str | Path | None = None,
    resume: bool = False,
) -> tuple[Model, History]:
    """Train a network.

    Parameters
    ----------
    X : (rows, features), or (rows, height, width)
        Pixels as uint8 from 0 to 255 or floats from 0 to 1.
    y : (rows,)
        Labels: whole numbers from 0 up.
    config : TrainingConfig, optional
        Default: the notebook's recipe.
    backend : Backend, optional
        Where to train. Default: `select_backend()`.
    validation : (X, y), optional
        Held-out rows, evaluated at every record.
    classes : (classes,), optional
        All labels there may be. Default: those in ``y``.
    hooks : sequence of Hook
    checkpoint : path, optional
        A folder in which the training's state is kept, written at every record.
    resume : bool
        Whether to go on from there, if there is a checkpoint. On the same device, with as
        many cores and the same versions, the result is the same, bit for bit, as if the
        training had never been cut.

    Returns
    -------
    model : Model
        On the host; the same seed on the same device gives the same bits.
    history : History

    Raises
    ------
    DataError
        If pixels or labels are not such.
    DivergedError
        If the loss stopped being finite.
    DeviceError
        If the device failed or ran out of memory.
    OutputError, ModelFileError
        If the checkpoint cannot be written, or not be read.
    UsageError
        If it belongs to another recipe or other data, or is there and not to be resumed.
    TrainingInterrupted
        On Ctrl-C, with the model as far as it came. (A second Ctrl-C leaves at once.)
    """
    config = TrainingConfig() if config is None else config
    if not isinstance(config, TrainingConfig):
        raise UsageError(
            f"config is {type(config).__name__}, not a TrainingConfig.",
            "Give mnn_gpu.TrainingConfig(...), or a recipe's .config.",
        )
    if resume and checkpoint is None:
        raise UsageError("resume needs a place to go on from.", "Give checkpoint=FOLDER too.")
    backend = checked_backend(backend)
    # An overflow is no warning here: it ends in a DivergedError.
    with backend.explaining(), np.errstate(all="ignore"):
        training = _Training(X, y, config, backend, validation, classes)
        kept = None
        if checkpoint is not None:
            digest = data_digest(X, y, *(validation or ()), training.data.classes)
            kept = Checkpoint(checkpoint, config, digest)
            kept.check_free(resume)
        return training.run(hooks, kept, resume)


class _Interrupted(Exception):  # noqa: N818
    """Ctrl-C between two steps; in the midst of one there is no state to speak of."""

    def __init__(self, state: State) -> None:
        super().__init__()
        self.state = state


class _Training:
    """One training: its data on the device, its network, and the loop."""

    def __init__(
        self,
        X: npt.ArrayLike,
        y: npt.ArrayLike,
        config: TrainingConfig,
        backend: Backend,
        validation: Labelled | None,
        classes: npt.ArrayLike | None,
    ) -> None:
        check_held_out(config, validation is not None)
        self.config = config
        self.backend = backend
        self.data = placed(X, y, validation, classes, config, backend)
        self.layer_sizes = (self.data.features, *config.hidden, len(self.data.classes))
        self.task = Task(
            layer_sizes=self.layer_sizes,
            regularisation=config.regularisation,
            image_shape=self.data.image_shape,
            input_scale=self.data.input_scale,
        )
        self.optimizer = config.make_optimizer()
        self.plan = Plan(config, self.optimizer, self.data, self.task, backend)
        self.records: list[Record] = []
        self.iteration = 0
        self.earlier_seconds = 0.0
        self.stopping = Stopping(config)

    def run(
        self, hooks: Sequence[Hook], checkpoint: Checkpoint | None, resume: bool
    ) -> tuple[Model, History]:
        """Make all updates, telling the hooks."""
        state = self._first_state()
        run = self._compiled_step(state)
        if checkpoint and resume:
            state = self._resumed(state, checkpoint)
        for hook in hooks:
            hook.on_start(self.plan.total)
            if self.iteration:
                hook.on_resume(self.iteration)
        self.backend.synchronize()
        self.started = time.perf_counter() - self.earlier_seconds
        try:
            with FinishStep() as interrupt:
                state = self._loop(run, state, hooks, checkpoint, interrupt)
        except _Interrupted as stop:
            result = self._result(stop.state)
            if checkpoint:
                checkpoint.save(self._snapshot(stop.state))
            raise TrainingInterrupted(*result) from None
        finally:
            for hook in hooks:
                hook.on_end()
        return self._result(state)

    def _loop(
        self,
        run: Run,
        state: State,
        hooks: Sequence[Hook],
        checkpoint: Checkpoint | None,
        interrupt: FinishStep,
    ) -> State:
        batches = self.plan.batches(self.iteration)
        in_step = False
        try:
            # A training may have been cut just before its record.
            over = self.iteration > 0 and self._reported(state, hooks)
            while not over and (coming := next(batches, None)) is not None:
                steps, batch = coming
                if self.iteration % self.plan.per_epoch == 0:
                    state = self._with_metrics_at_zero(state)
                in_step = True
                state = run(state, batch)
                self.iteration += steps
                in_step = False
                for hook in hooks:
                    hook.on_step(self.iteration)
                over = self._reported(state, hooks)
                if checkpoint and self._is_at_record:
                    checkpoint.save(self._snapshot(state))
                interrupt.check()
        except KeyboardInterrupt:
            if in_step:
                raise
            raise _Interrupted(state) from None
        return state

    def _compiled_step(self, state: State) -> Run:
        data, backend = self.data, self.backend
        is_weight = None
        if self.config.decay:
            is_weight = network.weight_mask(state.theta, self.layer_sizes)
        step = training_step(self.task, self.optimizer, backend, self.config.shard_rows)
        resident = Data(data.X, data.labels, tuple(data.shards), is_weight, data.basis)
        return backend.compile(step, resident)

    def _first_state(self) -> State:
        self._check_size()
        rng = generator(PARAMETERS, self.config.seed)
        layers = network.init_parameters(self.layer_sizes, rng, self.config.init)
        theta = network.flatten(layers)
        return first_state(theta, self.optimizer, self.config.dtype, self.backend.asarray)

    @property
    def _is_at_record(self) -> bool:
        """Whether this iteration has a record in the history, now or soon."""
        return self.iteration % self.plan.interval == 0 or self.iteration == self.plan.total

    def _reported(self, state: State, hooks: Sequence[Hook]) -> bool:
        """Make a record if one is due; say whether the training is over by it."""
        if not self._is_at_record:
            return False
        if not self.records or self.records[-1].iteration < self.iteration:
            self.records.append(self._record(state))
            for hook in hooks:
                hook.on_record(self.records[-1])
        return self.stopping.is_over(self.records, lambda: self._theta(state))

    def _parameters(self, state: State) -> Any:
        """Return what the model is to have: theta, or its average, for inputs 0 to 1."""
        theta = state.slots[-1] if self.config.average else state.theta
        scale = self.task.input_scale
        return theta if scale == 1 else network.with_scale(theta, self.layer_sizes, scale)

    def _theta(self, state: State) -> npt.NDArray[Any]:
        return np.array(self.backend.to_numpy(self._parameters(state)))

    def _seconds(self) -> float:
        return time.perf_counter() - self.started

    # ---- checkpoints -----------------------------------------------------------------

    def _snapshot(self, state: State) -> Snapshot:
        arrays = state_arrays(state, self.backend)
        best = self.stopping.best
        return Snapshot(arrays, self.iteration, self._seconds(), tuple(self.records), best)

    def _resumed(self, state: State, checkpoint: Checkpoint) -> State:
        """Go on from a checkpoint, if there is one."""
        snapshot = checkpoint.load(state, self.backend)
        if snapshot is None:
            return state
        self.iteration, self.earlier_seconds = snapshot.iteration, snapshot.seconds
        self.records = list(snapshot.records)
        self.stopping = Stopping(self.config, snapshot.best)
        return state_from(snapshot.arrays, state, self.backend)

    def _check_size(self) -> None:
        """See that the parameters fit at all, before asking for their memory."""
        vectors = 5 + 2 * self.optimizer.slots
        need = network.parameter_count(self.layer_sizes) * np.dtype(self.config.dtype).itemsize
        free = self.backend.memory().free
        if need * vectors > (free or MOST_MEMORY):
            raise UsageError(
                f"A network of {'-'.join(map(str, self.layer_sizes))} needs "
                f"{need * vectors / 2**30:,.0f} GiB to train.",
                "Take fewer units with --hidden.",
            )

    def _with_metrics_at_zero(self, state: State) -> State:
        asarray = self.backend.asarray
        loss, correct = asarray(0.0, dtype=self.config.dtype), asarray(0, dtype=np.int32)
        return state._replace(loss=loss, correct=correct)

    # ---- records and the result ------------------------------------------------------

    def _record(self, state: State) -> Record:
        """Read the metrics: the one place where the loop waits for the device."""
        iteration, per_epoch = self.iteration, self.plan.per_epoch
        self._check_finite(state)
        rows = self.data.rows
        batches = (iteration - 1) % per_epoch + 1
        samples = min(batches * (self.config.batch_size or rows), rows)
        validation = self._validated(self._parameters(state))
        return Record(
            iteration=iteration,
            epoch=(iteration - 1) // per_epoch + 1,
            loss=float(self.backend.to_numpy(state.loss)) / samples,
            accuracy=int(self.backend.to_numpy(state.correct)) / samples,
            seconds=self._seconds(),
            validation_loss=validation.loss if validation else None,
            validation_accuracy=validation.accuracy if validation else None,
        )

    def _validated(self, theta: Any) -> Evaluation | None:
        return self._score(theta, self.data.validation) if self.data.validation else None

    def _score(self, theta: Any, shards: Sequence[Shard]) -> Evaluation:
        return score_shards(self.backend, network.unflatten(theta, self.layer_sizes), shards)

    def _result(self, state: State) -> tuple[Model, History]:
        seconds, best = self._seconds(), self.stopping.best
        theta = self._theta(state) if best is None else best.theta
        self._check_finite(state)
        if not np.isfinite(theta).all():
            raise self._diverged(self.iteration)
        here = self.backend.asarray(theta)
        training, validation = self._score(here, self.data.shards), self._validated(here)
        history = History(
            tuple(self.records),
            self.iteration,
            seconds,
            training,
            validation,
            self.records[best.record] if best else None,
        )
        info = {
            "recipe": asdict(self.config),
            "version": __version__,
            "device": self.backend.device,
            "iterations": self.iteration,
            "training_accuracy": training.accuracy,
            "held_out_accuracy": validation.accuracy if validation else None,
            "history": columns(history.records, history.best),
        }
        return Model(theta, self.layer_sizes, self.data.classes, info), history

    def _check_finite(self, state: State) -> None:
        finite_steps = int(self.backend.to_numpy(state.finite_steps))
        if finite_steps < self.iteration:
            raise self._diverged(finite_steps + 1)

    def _diverged(self, iteration: int) -> DivergedError:
        rate = self.config.learning_rate
        return DivergedError(
            f"The training diverged: the loss is not finite from iteration {iteration} on.",
            f"Lower the learning rate, now {rate:g}: try --lr {rate / 10:g}.",
            iteration,
        )
