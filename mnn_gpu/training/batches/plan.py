"""Which rows go into which step, with which learning rate and which random numbers."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from mnn_gpu.backends import Backend
from mnn_gpu.nn.optimizers import Optimizer, step_scalars
from mnn_gpu.step.batch import NetworkSpec
from mnn_gpu.step.sharding import BatchSharding
from mnn_gpu.training.batches.device_data import Resident
from mnn_gpu.training.batches.epoch_order import EpochOrder
from mnn_gpu.training.batches.noise import Draws
from mnn_gpu.training.config import TrainingConfig
from mnn_gpu.utils.random_streams import ORDER, generator

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
    task : NetworkSpec
    backend : Backend
    sharding : BatchSharding, optional
        If other ranks work on parts of the batches, or on a batch part by part.
    """

    def __init__(
        self,
        config: TrainingConfig,
        optimizer: Optimizer,
        data: Resident,
        task: NetworkSpec,
        backend: Backend,
        sharding: BatchSharding | None = None,
    ) -> None:
        self.config = config
        self.sharding = sharding
        self.optimizer = optimizer
        self.data = data
        self.task = task
        self.backend = backend
        self.rows = data.rows
        self.size = config.batch_size or data.rows
        self.total = config.total_iterations(data.rows)
        self.per_epoch = config.steps_per_epoch(data.rows)
        self.interval = config.reporting_interval(data.rows)

    def rows_of(self, iteration: int) -> npt.NDArray[np.integer[Any]]:
        """Return which rows the batch of an iteration, counted from 1, is made of."""
        number, place = divmod(iteration - 1, self.per_epoch)
        blocks, seed = self.data.blocks, self.config.seed
        if blocks is not None:
            shards = 1 if self.sharding is None else self.sharding.shards
            order = EpochOrder(blocks, seed, number, self.size, shards)
            return order.batch(place, self.batch_rows(place))
        return self.order(number)[place * self.size : (place + 1) * self.size]

    def samples_at(self, iteration: int) -> int:
        """Return how many samples an epoch has used after an iteration; 0 before the first."""
        batches = (iteration - 1) % self.per_epoch + 1 if iteration else 0
        return min(batches * self.size, self.rows)

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
        return [slice(0, m)] if self.sharding is None else self.sharding.parts(m)

    def share(self, m: int, steps: int) -> Array | None:
        """Return what a sample of batches of m weighs, (steps,), where they are shared out."""
        if self.sharding is None:
            return None
        return self.backend.asarray(np.full(steps, 1 / m), dtype=self.config.dtype)

    def draws(self, epoch: int) -> list[Draws]:
        """Return what is drawn in an epoch, for each of the parts."""
        basis = self.data.basis
        basis_fields = 0 if basis is None else int(basis.shape[0])
        shards = [()] if self.sharding is None else [(shard,) for shard in self.sharding.mine]
        return [Draws(self.config, self.task, basis_fields, epoch, *shard) for shard in shards]

    def scalars(self, segment: int) -> Array:
        """Return the optimizer's numbers of a segment's steps, (steps, numbers), on the device."""
        start = segment * SEGMENT
        steps = range(start, min(start + SEGMENT, self.total))
        config = self.config
        values = step_scalars(
            self.optimizer, config.make_schedule(), config.learning_rate, steps, self.total
        )
        return self.backend.asarray(np.array(values), dtype=config.dtype)
