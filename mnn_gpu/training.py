"""The training loop: host arrays in, a model and its history out."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from itertools import count, islice, repeat
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from mnn_gpu import network
from mnn_gpu.backend import Backend, select_backend
from mnn_gpu.config import TrainingConfig
from mnn_gpu.data.dataset import checked_labels, checked_pixels
from mnn_gpu.errors import DataError, DivergedError
from mnn_gpu.history import History, Hook, Record, TrainingInterrupted
from mnn_gpu.inference import Evaluation, class_index, score_shards
from mnn_gpu.model import Model
from mnn_gpu.randomness import ORDER, PARAMETERS, generator
from mnn_gpu.shards import cut, minibatches, scaled
from mnn_gpu.step import Batch, State, gradient_descent_step

Array: TypeAlias = Any
Step: TypeAlias = Callable[[State, Batch], State]


def train(
    X: npt.ArrayLike,
    y: npt.ArrayLike,
    config: TrainingConfig | None = None,
    *,
    backend: Backend | None = None,
    validation: tuple[npt.ArrayLike, npt.ArrayLike] | None = None,
    hooks: Sequence[Hook] = (),
) -> tuple[Model, History]:
    """Train a network.

    Parameters
    ----------
    X : (rows, features), or (rows, height, width)
        Pixels as uint8 from 0 to 255 or floats from 0 to 1.
    y : (rows,)
        Labels: whole numbers from 0 up; each distinct one is a class.
    config : TrainingConfig, optional
        Default: the notebook's recipe.
    backend : Backend, optional
        Where to train. Default: `select_backend()`.
    validation : (X, y), optional
        Held-out rows, evaluated at every record.
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
    backend = backend or select_backend()
    try:
        # An overflow is no warning here: it ends in a DivergedError.
        with backend.active(), np.errstate(all="ignore"):
            return _Run(X, y, config, backend, validation).train(hooks)
    except Exception as error:
        explained = backend.explain(error)
        if explained is None:
            raise
        raise explained from error


class _Run:
    """One training: what stays on the device while the loop runs."""

    def __init__(
        self,
        X: npt.ArrayLike,
        y: npt.ArrayLike,
        config: TrainingConfig,
        backend: Backend,
        validation: tuple[npt.ArrayLike, npt.ArrayLike] | None,
    ) -> None:
        pixels = checked_pixels(np.asarray(X), "X")
        labels = checked_labels(np.asarray(y), len(pixels), "y")
        self.config = config
        self.backend = backend
        self.classes = np.unique(labels)
        self.rows, features = pixels.shape
        self.layer_sizes = (features, *config.hidden, len(self.classes))
        self.shard_rows = config.shard_rows or backend.shard_rows
        self.steps_per_epoch = config.steps_per_epoch(self.rows)
        self.interval = config.reporting_interval(self.rows)
        self.X = backend.asarray(pixels)
        self.labels = backend.asarray(class_index(self.classes, labels, "y"))
        self.shards: Batch = cut(self.X, self.labels, self.shard_rows)
        if self.steps_per_epoch == 1:
            # The same batch in every iteration: its pixels are scaled once.
            self.shards = scaled(backend, self.shards, getattr(backend.xp, config.dtype))
        self.validation = self._validation_shards(validation)
        self.no_loss = backend.asarray(0.0, dtype=config.dtype)
        self.none_correct = backend.asarray(0, dtype=np.int32)

    def _validation_shards(self, validation: tuple[npt.ArrayLike, npt.ArrayLike] | None) -> Batch:
        if validation is None:
            return []
        X = checked_pixels(np.asarray(validation[0]), "validation X")
        if X.shape[1] != self.layer_sizes[0]:
            raise DataError(
                f"The validation images have {X.shape[1]} pixels, the training images "
                f"{self.layer_sizes[0]}.",
                "Give both in the same size.",
            )
        y = checked_labels(np.asarray(validation[1]), len(X), "validation y")
        index = class_index(self.classes, y, "validation y")
        return cut(self.backend.asarray(X), self.backend.asarray(index), self.shard_rows)

    def train(self, hooks: Sequence[Hook]) -> tuple[Model, History]:
        """Make all updates, telling the hooks."""
        planned = self.config.total_iterations(self.rows)
        step = self.backend.compile(
            gradient_descent_step(self.layer_sizes, self.config.learning_rate)
        )
        state, records, iteration = self._first_state(), list[Record](), 0
        batches = islice(self._batches(), planned)
        for hook in hooks:
            hook.on_start(planned)
        started = time.perf_counter()
        try:
            for iteration, batch in enumerate(batches, start=1):
                state = step(self._metrics_from_zero(state, iteration), batch)
                for hook in hooks:
                    hook.on_step(iteration)
                if iteration % self.interval == 0 or iteration == planned:
                    records.append(self._record(state, iteration, started))
                    for hook in hooks:
                        hook.on_record(records[-1])
        except KeyboardInterrupt:
            result = self._result(state, records, iteration, started)
            raise TrainingInterrupted(*result) from None
        finally:
            for hook in hooks:
                hook.on_end()
        return self._result(state, records, iteration, started)

    def _batches(self) -> Iterator[Batch]:
        if self.steps_per_epoch == 1:
            return repeat(self.shards)
        size = self.config.batch_size or self.rows
        return minibatches(self.X, self.labels, self._orders(), size, self.shard_rows)

    def _orders(self) -> Iterator[Array]:
        """Yield each epoch's order of the rows; it depends on the seed and the epoch only."""
        for epoch in count():
            order = generator(ORDER, self.config.seed, epoch).permutation(self.rows)
            yield self.backend.asarray(order)

    def _first_state(self) -> State:
        rng = generator(PARAMETERS, self.config.seed)
        theta = network.flatten(network.init_parameters(self.layer_sizes, rng))
        theta = self.backend.asarray(theta, dtype=self.config.dtype)
        return State(theta, self.no_loss, self.none_correct, self.none_correct)

    def _metrics_from_zero(self, state: State, iteration: int) -> State:
        """Forget loss and right answers where ``iteration`` begins an epoch."""
        if (iteration - 1) % self.steps_per_epoch:
            return state
        return state._replace(loss=self.no_loss, correct=self.none_correct)

    def _record(self, state: State, iteration: int, started: float) -> Record:
        """Read the metrics: the one place where the loop waits for the device."""
        finite_steps = int(self.backend.to_numpy(state.finite_steps))
        if finite_steps < iteration:
            raise self._diverged(finite_steps + 1)
        batches, size = (iteration - 1) % self.steps_per_epoch + 1, self.config.batch_size
        samples = min(batches * (size or self.rows), self.rows)
        validation = self._evaluate(state, self.validation)
        return Record(
            iteration=iteration,
            epoch=(iteration - 1) // self.steps_per_epoch + 1,
            loss=float(self.backend.to_numpy(state.loss)) / samples,
            accuracy=int(self.backend.to_numpy(state.correct)) / samples,
            seconds=time.perf_counter() - started,
            validation_loss=validation.loss if validation else None,
            validation_accuracy=validation.accuracy if validation else None,
        )

    def _evaluate(self, state: State, shards: Batch) -> Evaluation | None:
        layers = network.unflatten(state.theta, self.layer_sizes)
        return score_shards(self.backend, layers, shards) if shards else None

    def _result(
        self, state: State, records: Sequence[Record], iteration: int, started: float
    ) -> tuple[Model, History]:
        theta = self.backend.to_numpy(state.theta)
        seconds = time.perf_counter() - started
        if not np.isfinite(theta).all():
            raise self._diverged(iteration)
        training = score_shards(
            self.backend, network.unflatten(state.theta, self.layer_sizes), self.shards
        )
        validation = self._evaluate(state, self.validation)
        history = History(tuple(records), iteration, seconds, training, validation)
        info = {
            "recipe": asdict(self.config),
            "device": self.backend.device,
            "iterations": iteration,
            "training_accuracy": training.accuracy,
            "held_out_accuracy": validation.accuracy if validation else None,
        }
        return Model(theta, self.layer_sizes, self.classes, info), history

    def _diverged(self, iteration: int) -> DivergedError:
        rate = self.config.learning_rate
        return DivergedError(
            f"The training diverged: the loss is not finite from iteration {iteration} on.",
            f"Lower the learning rate, now {rate:g}: try --lr {rate / 10:g}.",
            iteration,
        )
