"""The training loop: host arrays in, a model and its history out."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
import numpy.typing as npt

from mnn_gpu import __version__, network
from mnn_gpu.backend import Backend, checked_backend
from mnn_gpu.backend.base import Run
from mnn_gpu.batches import planned_batches
from mnn_gpu.config import TrainingConfig
from mnn_gpu.errors import DivergedError, UsageError
from mnn_gpu.history import History, Hook, Record, TrainingInterrupted
from mnn_gpu.inference import Evaluation, score_shards
from mnn_gpu.interrupts import FinishStep
from mnn_gpu.model import Model
from mnn_gpu.optimizers import OPTIMIZERS
from mnn_gpu.randomness import PARAMETERS, generator
from mnn_gpu.resident import Labelled, placed
from mnn_gpu.shards import Shard
from mnn_gpu.step import State, Step, first_state, full_batch, minibatch, training_step

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
    TrainingInterrupted
        On Ctrl-C, with the model as far as it came.
    """
    config = config or TrainingConfig()
    backend = checked_backend(backend)
    # An overflow is no warning here: it ends in a DivergedError.
    with backend.explaining(), np.errstate(all="ignore"):
        return _Training(X, y, config, backend, validation, classes).run(hooks)


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
        self.config = config
        self.backend = backend
        self.data = placed(X, y, validation, classes, config, backend)
        self.layer_sizes = (self.data.features, *config.hidden, len(self.data.classes))
        self.optimizer = OPTIMIZERS[config.optimizer]
        self.steps_per_epoch = config.steps_per_epoch(self.data.rows)
        self.interval = config.reporting_interval(self.data.rows)
        self.planned = config.total_iterations(self.data.rows)

    def run(self, hooks: Sequence[Hook]) -> tuple[Model, History]:
        """Make all updates, telling the hooks."""
        run, state = self._compiled_step(), self._first_state()
        batches = planned_batches(self.config, self.optimizer, self.data.rows, self.backend)
        records: list[Record] = []
        iteration = 0
        for hook in hooks:
            hook.on_start(self.planned)
        self.backend.synchronize()
        started = time.perf_counter()
        try:
            with FinishStep() as interrupt:
                for steps, batch in batches:
                    if iteration % self.steps_per_epoch == 0:
                        state = self._with_metrics_at_zero(state)
                    state = run(state, batch)
                    iteration += steps
                    for hook in hooks:
                        hook.on_step(iteration)
                    if iteration % self.interval == 0 or iteration == self.planned:
                        records.append(self._record(state, iteration, started))
                        for hook in hooks:
                            hook.on_record(records[-1])
                    interrupt.check()
        except KeyboardInterrupt:
            result = self._result(state, records, iteration, started)
            raise TrainingInterrupted(*result) from None
        finally:
            for hook in hooks:
                hook.on_end()
        return self._result(state, records, iteration, started)

    def _compiled_step(self) -> Run:
        config, backend, data = self.config, self.backend, self.data
        if self.steps_per_epoch == 1:
            return backend.compile(self._step(full_batch), data.shards)
        take = minibatch(config.shard_rows or backend.shard_rows, backend.lanes)
        return backend.compile(self._step(take), (data.X, data.labels))

    def _step(self, take: Any) -> Step:
        backend = self.backend
        return training_step(take, self.layer_sizes, self.optimizer, backend.fuse, backend.spread)

    def _first_state(self) -> State:
        self._check_size()
        rng = generator(PARAMETERS, self.config.seed)
        theta = network.flatten(network.init_parameters(self.layer_sizes, rng))
        return first_state(theta, self.optimizer, self.config.dtype, self.backend.asarray)

    def _check_size(self) -> None:
        """See that the parameters fit at all, before asking for their memory."""
        vectors = 4 + 2 * self.optimizer.slots
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

    def _record(self, state: State, iteration: int, started: float) -> Record:
        """Read the metrics: the one place where the loop waits for the device."""
        finite_steps = int(self.backend.to_numpy(state.finite_steps))
        if finite_steps < iteration:
            raise self._diverged(finite_steps + 1)
        rows = self.data.rows
        batches = (iteration - 1) % self.steps_per_epoch + 1
        samples = min(batches * (self.config.batch_size or rows), rows)
        validation = self._evaluate(state, self.data.validation)
        return Record(
            iteration=iteration,
            epoch=(iteration - 1) // self.steps_per_epoch + 1,
            loss=float(self.backend.to_numpy(state.loss)) / samples,
            accuracy=int(self.backend.to_numpy(state.correct)) / samples,
            seconds=time.perf_counter() - started,
            validation_loss=validation.loss if validation else None,
            validation_accuracy=validation.accuracy if validation else None,
        )

    def _evaluate(self, state: State, shards: Sequence[Shard]) -> Evaluation | None:
        layers = network.unflatten(state.theta, self.layer_sizes)
        return score_shards(self.backend, layers, shards) if shards else None

    def _result(
        self, state: State, records: Sequence[Record], iteration: int, started: float
    ) -> tuple[Model, History]:
        theta = np.array(self.backend.to_numpy(state.theta))
        seconds = time.perf_counter() - started
        if not np.isfinite(theta).all():
            raise self._diverged(iteration)
        layers = network.unflatten(state.theta, self.layer_sizes)
        training = score_shards(self.backend, layers, self.data.shards)
        validation = self._evaluate(state, self.data.validation)
        history = History(tuple(records), iteration, seconds, training, validation)
        info = {
            "recipe": asdict(self.config),
            "version": __version__,
            "device": self.backend.device,
            "iterations": iteration,
            "training_accuracy": training.accuracy,
            "held_out_accuracy": validation.accuracy if validation else None,
        }
        return Model(theta, self.layer_sizes, self.data.classes, info), history

    def _diverged(self, iteration: int) -> DivergedError:
        rate = self.config.learning_rate
        return DivergedError(
            f"The training diverged: the loss is not finite from iteration {iteration} on.",
            f"Lower the learning rate, now {rate:g}: try --lr {rate / 10:g}.",
            iteration,
        )
