"""Which samples, learning rate and random numbers each step of a run uses."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from mnn_gpu.backends import Backend
from mnn_gpu.nn.optimizers import step_scalars
from mnn_gpu.step.batch import NetworkSpec
from mnn_gpu.step.sharding import BatchSharding
from mnn_gpu.training.batches.noise import BatchNoise
from mnn_gpu.training.config import TrainingConfig
from mnn_gpu.utils.random_streams import SHUFFLE, generator

Array: TypeAlias = Any

SEGMENT = 4096
"""Number of steps whose scalars are computed and copied to the device at a time."""


class BatchPlan:
    """The sizes and the order of the batches of a run on a number of rows.

    ``fields`` is the number of basis fields of deformations, 0 without augmentation. With
    ``sharding`` batches are split into shards, which other ranks may process.
    """

    def __init__(
        self,
        config: TrainingConfig,
        task: NetworkSpec,
        backend: Backend,
        rows: int,
        fields: int = 0,
        sharding: BatchSharding | None = None,
    ) -> None:
        self.config = config
        self.task = task
        self.backend = backend
        self.rows = rows
        self.fields = fields
        self.sharding = sharding
        self.optimizer = config.make_optimizer()
        self.size = config.batch_size or rows
        self.total = config.total_iterations(rows)
        self.per_epoch = config.steps_per_epoch(rows)
        self.interval = config.reporting_interval(rows)

    def place_of(self, iteration: int) -> tuple[int, int]:
        """Return the epoch, from 0, of an iteration, from 1, and its batch's place in it."""
        return divmod(iteration - 1, self.per_epoch)

    def samples_at(self, iteration: int) -> int:
        """Return how many samples an epoch has used after an iteration; 0 before the first."""
        return min((self.place_of(iteration)[1] + 1) * self.size, self.rows) if iteration else 0

    def batch_rows(self, place: int) -> int:
        """Return the size of a batch by its place in the epoch."""
        return min(self.size, self.rows - place * self.size)

    def order(self, epoch: int) -> npt.NDArray[np.int32]:
        """Return the order of the rows in an epoch, counted from 0, of data in memory."""
        if self.per_epoch == 1:
            return np.arange(self.rows, dtype=np.int32)
        shuffled = generator(SHUFFLE, self.config.seed, epoch).permutation(self.rows)
        return shuffled.astype(np.int32)

    def parts(self, m: int) -> list[slice]:
        """Return the samples of a batch of m that are processed here, shard by shard."""
        return [slice(0, m)] if self.sharding is None else self.sharding.parts(m)

    def sample_weight(self, m: int, steps: int) -> Array | None:
        """Return the weight of a sample of batches of m, (steps,), if they are sharded."""
        if self.sharding is None:
            return None
        return self.backend.asarray(np.full(steps, 1 / m), dtype=self.config.dtype)

    def noise(self, epoch: int, place: int) -> list[BatchNoise]:
        """Return the random numbers of an epoch from a batch on, for each part."""
        shards = [()] if self.sharding is None else [(shard,) for shard in self.sharding.mine]
        noise = [BatchNoise(self.config, self.task, self.fields, epoch, *s) for s in shards]
        for own, part in zip(noise, self.parts(self.size), strict=True):
            own.skip(place, part.stop - part.start)
        return noise

    def scalars(self, segment: int) -> Array:
        """Return the optimizer's scalars of a segment's steps, (steps, scalars), on the device."""
        start = segment * SEGMENT
        steps = range(start, min(start + SEGMENT, self.total))
        config = self.config
        values = step_scalars(
            self.optimizer, config.make_schedule(), config.learning_rate, steps, self.total
        )
        return self.backend.asarray(np.array(values), dtype=config.dtype)
