"""The compiled step of a run; in smaller microbatches if the device runs out of memory."""

from __future__ import annotations

import gc
from collections.abc import Callable
from typing import TypeVar

from mnn_gpu.distributed.process_group import ProcessGroup
from mnn_gpu.errors import TrainingWarning, warn
from mnn_gpu.nn.parameters import weight_mask
from mnn_gpu.step.batch import Batch
from mnn_gpu.step.execution import Run
from mnn_gpu.step.sharding import BatchSharding
from mnn_gpu.step.train_step import State, training_step
from mnn_gpu.training.batches.device_data import DeviceData
from mnn_gpu.training.batches.plan import BatchPlan

T = TypeVar("T")


class CompiledStep:
    """A step, compiled for the device at its first use.

    The data are split again when the microbatches are halved; ``sharding``, if there is one, has
    its reduction over the ranks.
    """

    def __init__(
        self, plan: BatchPlan, data: DeviceData, ranks: ProcessGroup, sharding: BatchSharding | None
    ) -> None:
        self.plan = plan
        self.data = data
        self.ranks = ranks
        self.sharding = sharding
        self.backend = plan.backend
        self.shard_rows = plan.config.shard_rows or self.backend.shard_rows
        self.compiled: Run | None = None

    @property
    def nbytes(self) -> int:
        """Bytes that the compiled step has planned for its results; 0 if it plans none."""
        return getattr(self.compiled, "nbytes", 0)

    def run(self, state: State, batch: Batch) -> State:
        """Return the state after the steps of these batches."""

        def run() -> State:
            if self.compiled is None:
                self.compiled = self._compiled(state)
            following: State = self.compiled(state, batch)
            return following

        return self.retry_on_oom(run)

    def retry_on_oom(self, work: Callable[[], T]) -> T:
        """Return what ``work`` returns; when out of memory, retry it with half the rows."""
        before = self.shard_rows
        while True:
            try:
                result = work()
                break
            except Exception as error:
                # With several ranks the others would wait for the one that starts again.
                can_retry = self.ranks.size == 1 and self.shard_rows > 1
                if not (can_retry and self.backend.is_out_of_memory(error)):
                    raise
            self._halve_rows()
        if self.shard_rows < before:
            warn(
                f"{self.backend.device} has no memory for {before:,} samples at a time: continuing "
                f"with {self.shard_rows:,} (shard_rows).",
                TrainingWarning,
            )
        return result

    def _halve_rows(self) -> None:
        # First, as the compiled step may hold the memory that is needed.
        self.compiled = None
        gc.collect()
        self.shard_rows = (min(self.shard_rows, self.plan.size) + 1) // 2
        self.data.split(self.shard_rows)

    def _compiled(self, state: State) -> Run:
        plan, is_weight = self.plan, None
        if plan.config.decay:
            is_weight = weight_mask(state.theta, plan.task.layer_sizes)
        step = training_step(
            plan.task, plan.optimizer, self.backend, self.shard_rows, self.sharding
        )
        return self.backend.compile(step, self.data.step_data(is_weight), self.ranks.allgather)
