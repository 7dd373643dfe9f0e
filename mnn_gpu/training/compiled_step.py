"""A training's compiled step; in smaller shards, if the device has no memory for larger ones."""

from __future__ import annotations

import gc
import warnings
from collections.abc import Callable
from typing import TypeVar

from mnn_gpu.errors import TrainingWarning
from mnn_gpu.nn.parameters import weight_mask
from mnn_gpu.step.batch import Batch, StepData
from mnn_gpu.step.execution import Run
from mnn_gpu.step.sharding import BatchSharding
from mnn_gpu.step.train_step import State, training_step
from mnn_gpu.training.batches.device_data import in_smaller_shards
from mnn_gpu.training.config import TrainingConfig
from mnn_gpu.training.run import Course

T = TypeVar("T")


class CompiledStep:
    """What brings a state from one batch to the next.

    Parameters
    ----------
    config : TrainingConfig
    course : Course
        Its data are cut anew when the shards are halved.
    sharding : BatchSharding or None
    """

    def __init__(
        self, config: TrainingConfig, course: Course, sharding: BatchSharding | None
    ) -> None:
        self.config = config
        self.course = course
        self.sharding = sharding
        self.backend = course.backend
        self.shard_rows = config.shard_rows or self.backend.shard_rows
        self.compiled: Run | None = None

    def after(self, state: State, batch: Batch) -> State:
        """Return the state after a run of steps."""

        def run() -> State:
            if self.compiled is None:
                self.compiled = self._compiled(state)
            following: State = self.compiled(state, batch)
            return following

        return self.within_memory(run)

    def within_memory(self, work: Callable[[], T]) -> T:
        """Do some work; if the device has no memory for it, in ever smaller shards."""
        before = self.shard_rows
        while True:
            try:
                result = work()
                break
            except Exception as error:
                # Among several ranks the others wait for what this one would begin anew.
                alone = self.course.ranks.size == 1 and self.shard_rows > 1
                if not (alone and self.backend.is_out_of_memory(error)):
                    raise
            self._halve_shards()
        if self.shard_rows < before:
            warnings.warn(
                f"{self.backend.device} has no memory for {before:,} samples at a time: going on "
                f"with {self.shard_rows:,} (--shard-rows).",
                TrainingWarning,
                stacklevel=2,
            )
        return result

    def _halve_shards(self) -> None:
        # First of all: the memory of the compiled step may be what is wanted.
        self.compiled = None
        gc.collect()
        course, batch = self.course, self.config.batch_size or self.course.data.rows
        self.shard_rows = (min(self.shard_rows, batch) + 1) // 2
        course.data = in_smaller_shards(
            course.data, self.shard_rows, self.backend.workers, self.sharding
        )

    def _compiled(self, state: State) -> Run:
        course, data = self.course, self.course.data
        is_weight = None
        if self.config.decay:
            is_weight = weight_mask(state.theta, course.task.layer_sizes)
        step = training_step(
            course.task, course.plan.optimizer, self.backend, self.shard_rows, self.sharding
        )
        # What stays on the disk comes with the batches.
        shards = tuple(data.shards) if data.blocks is None else ()
        resident = StepData(data.X, data.labels, shards, is_weight, data.basis)
        return self.backend.compile(step, resident, course.ranks.allgather)
