"""Which rows go into which step, with which learning rate and which random numbers."""

from __future__ import annotations

import math
from collections.abc import Generator
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
from array_api_compat import array_namespace

from mnn_gpu.backends import Backend
from mnn_gpu.nn.optimizers import Optimizer, step_scalars
from mnn_gpu.step.batch import Batch, Task
from mnn_gpu.step.sharding import Sharing
from mnn_gpu.training.batches.device_data import Resident
from mnn_gpu.training.batches.epoch_order import EpochOrder
from mnn_gpu.training.batches.noise import Draws, batch_draws, own_parts
from mnn_gpu.training.batches.streaming import StreamedEpoch
from mnn_gpu.training.config import TrainingConfig
from mnn_gpu.utils.prefetch import ahead
from mnn_gpu.utils.random_streams import ORDER, generator

Array: TypeAlias = Any
Runs: TypeAlias = Generator[tuple[int, Batch], None, None]

RUN_BYTES = 1 << 24
"""Of images that are read: so many are handed over at a time."""

READY_BYTES = 1 << 25
"""So many may lie ready before they are wanted."""

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
    sharing : Sharing, optional
        If other ranks work on parts of the batches, or on a batch part by part.
    """

    def __init__(
        self,
        config: TrainingConfig,
        optimizer: Optimizer,
        data: Resident,
        task: Task,
        backend: Backend,
        sharing: Sharing | None = None,
    ) -> None:
        self.config = config
        self.sharing = sharing
        self.optimizer = optimizer
        self.data = data
        self.task = task
        self.backend = backend
        self.rows = data.rows
        self.size = config.batch_size or data.rows
        self.total = config.total_iterations(data.rows)
        self.per_epoch = config.steps_per_epoch(data.rows)
        self.interval = config.reporting_interval(data.rows)

    def batches(self, done: int = 0, pause: int | None = None) -> Runs:
        """Yield runs of steps, see `_runs`, some made in advance if that takes the host long.

        That is so for data that are read, and for random numbers that are drawn while another
        device than the host works.
        """
        runs = self._runs(done, pause)
        is_read = self.data.blocks is not None
        is_drawn = self.config.is_random and not self.backend.is_host
        return ahead(runs, READY_BYTES, _bytes) if is_read or is_drawn else runs

    def _runs(self, done: int, pause: int | None) -> Runs:
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
                epoch = self._epoch(number, place)
            steps = min(self._run_length(done), pause - done % pause if pause else self.total)
            here = slice(done % SEGMENT, done % SEGMENT + steps)
            yield steps, epoch.batch(scalars[here, :], place, steps)
            done += steps

    def _epoch(self, number: int, place: int) -> _Epoch | StreamedEpoch:
        if self.data.blocks is None:
            return _Epoch(self, number, place)
        return StreamedEpoch(self, self.data.blocks, number, place)

    def rows_of(self, iteration: int) -> npt.NDArray[np.integer[Any]]:
        """Return which rows the batch of an iteration, counted from 1, is made of."""
        number, place = divmod(iteration - 1, self.per_epoch)
        blocks, seed = self.data.blocks, self.config.seed
        if blocks is not None:
            shards = 1 if self.sharing is None else self.sharing.shards
            order = EpochOrder(blocks, seed, number, self.size, shards)
            return order.batch(place, self.batch_rows(place))
        return self.order(number)[place * self.size : (place + 1) * self.size]

    def batch_rows(self, place: int) -> int:
        """Return how many samples a batch has, by its place in the epoch."""
        return min(self.size, self.rows - place * self.size)

    def order(self, epoch: int) -> npt.NDArray[np.int32]:
        """Return the order in which an epoch, counted from 0, goes through the rows."""
        if self.per_epoch == 1:
            return np.arange(self.rows, dtype=np.int32)
        shuffled = generator(ORDER, self.config.seed, epoch).permutation(self.rows)
        return shuffled.astype(np.int32)

    def parts(self, m: int) -> list[slice]:
        """Return which samples of a batch of m are worked on here, shard by shard."""
        return [slice(0, m)] if self.sharing is None else self.sharing.parts(m)

    def share(self, m: int, steps: int) -> Array | None:
        """Return what a sample of batches of m weighs, (steps,), where they are shared out."""
        if self.sharing is None:
            return None
        return self.backend.asarray(np.full(steps, 1 / m), dtype=self.config.dtype)

    def draws(self, epoch: int) -> list[Draws]:
        """Return what is drawn in an epoch, for each of the parts."""
        basis = self.data.basis
        pictures = 0 if basis is None else int(basis.shape[0])
        shards = [()] if self.sharing is None else [(shard,) for shard in self.sharing.mine]
        return [Draws(self.config, self.task, pictures, epoch, *shard) for shard in shards]

    def _run_length(self, done: int) -> int:
        epoch, place = divmod(done, self.per_epoch)
        whole = self.rows // self.size
        most = self.backend.steps_per_call
        if self.data.blocks is not None:
            row_bytes = self.data.features * self.data.blocks.dtype.itemsize
            most = min(most, max(1, RUN_BYTES // (self.size * row_bytes)))
        ends = (
            self.total,
            done + most,
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


def _bytes(run: tuple[int, Batch]) -> float:
    """Return how much memory a run's arrays take."""
    return sum(_bits(array) / 8 for array in run[1] if array is not None)


def _bits(array: Array) -> float:
    xp = array_namespace(array)
    info = xp.iinfo if xp.isdtype(array.dtype, "integral") else xp.finfo
    return float(math.prod(array.shape) * info(array.dtype).bits)


class _Epoch:
    """One pass over the data: its order and its random numbers, from a step on."""

    def __init__(self, plan: Plan, number: int, place: int) -> None:
        self.plan = plan
        self.number = number
        self.whole = plan.per_epoch == 1 and not plan.config.is_random
        self.order: npt.NDArray[np.int32] = np.empty(0, np.int32)
        if not self.whole:
            self.order = plan.order(number)
        self.on_device = plan.backend.asarray(self.order)
        self.draws = plan.draws(number)
        for draws, part in zip(self.draws, plan.parts(plan.size), strict=True):
            draws.skip(place, part.stop - part.start)

    def batch(self, scalars: Array, place: int, steps: int) -> Batch:
        """Return the batches of the next steps; to be asked for in their order."""
        plan, m = self.plan, self.plan.batch_rows(place)
        share = plan.share(m, steps)
        if self.whole:
            return Batch(scalars, share=share)
        parts = plan.parts(m)
        here = slice(place * plan.size, place * plan.size + steps * m)
        own = slice(parts[0].start, parts[-1].stop)
        rows = plan.backend.xp.reshape(self.on_device[here], (steps, m))[:, own]
        if not plan.config.is_random:
            return Batch(scalars, rows, share=share)
        half_turned = plan.data.half_turned[self.order[here].reshape(steps, m)[:, own]]
        drawn = batch_draws(
            self.draws, own_parts(parts), half_turned, plan.task, plan.backend.asarray
        )
        return Batch(scalars, rows, *drawn, share)
