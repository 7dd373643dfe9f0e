"""Which rows go into which step, with which learning rate and which random numbers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from mnn_gpu.augmentation import AFFINE_PICTURES, UNIFORMS, warps
from mnn_gpu.backend import Backend
from mnn_gpu.config import TrainingConfig
from mnn_gpu.optimizers import Optimizer, step_scalars
from mnn_gpu.randomness import AFFINE, DROPOUT, ELASTIC, ORDER, generator
from mnn_gpu.resident import Resident
from mnn_gpu.samples import Batch, Task

Array: TypeAlias = Any

SEGMENT = 4096
"""Steps whose scalars are computed and brought to the device at a time."""


class Plan:
    """The batches of a training, from whichever iteration on.

    Parameters
    ----------
    config : TrainingConfig
    optimizer : Optimizer
    data : Resident
    task : Task
    backend : Backend
    """

    def __init__(
        self,
        config: TrainingConfig,
        optimizer: Optimizer,
        data: Resident,
        task: Task,
        backend: Backend,
    ) -> None:
        self.config = config
        self.optimizer = optimizer
        self.data = data
        self.task = task
        self.backend = backend
        self.rows = data.rows
        self.total = config.total_iterations(data.rows)
        self.per_epoch = config.steps_per_epoch(data.rows)
        self.interval = config.reporting_interval(data.rows)

    def batches(self, done: int = 0, pause: int | None = None) -> Iterator[tuple[int, Batch]]:
        """Yield runs of steps: how many, and their batches, stacked along the first axis.

        A run crosses neither the end of an epoch nor a report nor a multiple of ``pause``,
        and its batches have one size. What an epoch draws depends on the seed and its
        number alone, so that it does not matter after which iteration, ``done``, a training
        goes on.
        """
        segment = done // SEGMENT
        scalars = self._scalars(segment)
        epoch = None
        while done < self.total:
            if done // SEGMENT != segment:
                segment = done // SEGMENT
                scalars = self._scalars(segment)
            number, place = divmod(done, self.per_epoch)
            if epoch is None or epoch.number != number:
                epoch = _Epoch(self, number, place)
            steps = min(self._run_length(done), pause - done % pause if pause else self.total)
            here = slice(done % SEGMENT, done % SEGMENT + steps)
            yield steps, epoch.batch(scalars[here, :], place, steps)
            done += steps

    def rows_of(self, iteration: int) -> npt.NDArray[np.int32]:
        """Return which rows the batch of an iteration, counted from 1, is made of."""
        number, place = divmod(iteration - 1, self.per_epoch)
        size = self.config.batch_size or self.rows
        return self.order(number)[place * size : (place + 1) * size]

    def order(self, epoch: int) -> npt.NDArray[np.int32]:
        """Return the order in which an epoch, counted from 0, goes through the rows."""
        if self.per_epoch == 1:
            return np.arange(self.rows, dtype=np.int32)
        shuffled = generator(ORDER, self.config.seed, epoch).permutation(self.rows)
        return shuffled.astype(np.int32)

    def _run_length(self, done: int) -> int:
        epoch, place = divmod(done, self.per_epoch)
        whole = self.rows // (self.config.batch_size or self.rows)
        ends = (
            self.total,
            done + self.backend.steps_per_call,
            (done // self.interval + 1) * self.interval,
            epoch * self.per_epoch + (whole if place < whole else self.per_epoch),
            (done // SEGMENT + 1) * SEGMENT,
        )
        return min(ends) - done

    def _scalars(self, segment: int) -> Array:
        """Return the optimizer's numbers of a segment's steps, (steps, numbers), on the device."""
        start = segment * SEGMENT
        steps = range(start, min(start + SEGMENT, self.total))
        config = self.config
        values = step_scalars(
            self.optimizer, config.make_schedule(), config.learning_rate, steps, self.total
        )
        return self.backend.asarray(np.array(values), dtype=config.dtype)


class _Epoch:
    """One pass over the data: its order and its random numbers, from a step on."""

    def __init__(self, plan: Plan, number: int, place: int) -> None:
        self.plan = plan
        self.number = number
        config = plan.config
        self.size = config.batch_size or plan.rows
        self.whole = plan.per_epoch == 1 and not config.is_random
        self.order: npt.NDArray[np.int32] = np.empty(0, np.int32)
        if not self.whole:
            self.order = plan.order(number)
        self.on_device = plan.backend.asarray(self.order)
        self.affine, self.elastic, self.dropout = (
            generator(stream, config.seed, number) for stream in (AFFINE, ELASTIC, DROPOUT)
        )
        for _ in range(place):  # What these steps would have drawn.
            self._warps(slice(0, self.size), 1)
            self._noise(self.size, 1)

    def batch(self, scalars: Array, place: int, steps: int) -> Batch:
        """Return the batches of the next steps; to be asked for in their order."""
        if self.whole:
            return Batch(scalars)
        first = place * self.size
        here = slice(first, min(first + steps * self.size, self.plan.rows))
        backend = self.plan.backend
        rows = backend.xp.reshape(self.on_device[here], (steps, -1))
        warps, noise = self._warps(here, steps), self._noise(int(rows.shape[1]), steps)
        return Batch(
            scalars,
            rows,
            None if warps is None else backend.asarray(warps),
            None if noise is None else backend.asarray(noise),
        )

    def _warps(self, here: slice, steps: int) -> npt.NDArray[Any] | None:
        """Draw how images are deformed, (steps, m, 2, pictures)."""
        config, data, shape = self.plan.config, self.plan.data, self.plan.task.image_shape
        if config.augmentation is None or shape is None or data.basis is None:
            return None
        rows = self.order[here]
        waves = int(data.basis.shape[0]) - AFFINE_PICTURES
        dtype: Any = np.dtype(config.dtype)
        uniforms = self.affine.random((len(rows), UNIFORMS), dtype=dtype) * 2 - 1
        normals = self.elastic.standard_normal((len(rows), 2, waves), dtype=dtype)
        turn = np.where(data.half_turned[rows], 0.5, 1.0).astype(dtype)
        drawn: npt.NDArray[Any] = warps(uniforms, normals, config.augmentation, shape, turn)
        return drawn.astype(dtype, copy=False).reshape(steps, -1, *drawn.shape[1:])

    def _noise(self, m: int, steps: int) -> npt.NDArray[np.uint8] | None:
        """Draw bytes for dropout, (steps, bytes); whole words, so that runs do not matter."""
        task = self.plan.task
        count = m * sum(task.regularisation.noise_sizes(task.layer_sizes))
        if not count:
            return None
        words = self.dropout.integers(0, 2**32, (steps, -(-count // 4)), dtype=np.uint32)
        return words.astype("<u4", copy=False).view(np.uint8)[:, :count]
