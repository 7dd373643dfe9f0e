"""The group of processes that train together, and the group of a single process."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from typing import TypeVar

from mnn_gpu.backends import Backend, checked_backend, select_backend
from mnn_gpu.errors import LaunchError, UsageError
from mnn_gpu.step.execution import AllReduce
from mnn_gpu.step.sharding import BatchSharding

T = TypeVar("T")


class ProcessGroup:
    """A group of one process; `distributed.mpi.MpiGroup` is a group of several.

    All ranks make the same calls in the same order.

    Attributes
    ----------
    rank, size : int
        This process's index, from 0, and the number of processes.
    local_rank : int
        Its index on this machine.
    processes_per_node : int
        Number of processes on this machine that may use this one's processors.
    """

    rank = 0
    size = 1
    local_rank = 0
    processes_per_node = 1

    @property
    def is_first(self) -> bool:
        """Whether this is rank 0, which prints and writes files."""
        return self.rank == 0

    def allgather(self, value: T) -> list[T]:
        """Return all ranks' values, in the order of the ranks."""
        return [value]

    def broadcast(self, value: T) -> T:
        """Return rank 0's value."""
        return value

    def max(self, number: int) -> int:
        """Return the maximum of all ranks' numbers."""
        return number

    def on_rank0(self, work: Callable[[], T]) -> T | None:
        """Call a function on rank 0; if it fails, all ranks raise an error.

        Returns
        -------
        The result on rank 0, None on the others.
        """
        return work()

    def on_all_ranks(self, work: Callable[[], T]) -> T:
        """Call a function on all ranks; if it fails on any, all ranks raise an error."""
        return work()

    def backend(self, device: str | None = None, library: str = "auto") -> Backend:
        """Return the result of `select_backend` for this rank's part of the machine."""
        return select_backend(
            device,
            library,
            local_rank=self.local_rank,
            processes_per_node=self.processes_per_node,
        )

    def checked_backend(self, given: Backend | None) -> Backend:
        """Return the given backend or the default one; if that fails on a rank, all raise."""
        return self.on_all_ranks(
            lambda: self.backend() if given is None else checked_backend(given)
        )

    def default_shards(self) -> int | None:
        """Return the default number of shards per batch; None for no fixed number."""
        return None

    def abort(self, code: int) -> None:
        """Terminate all other ranks immediately; this one ends by itself."""

    def signals(self) -> Sequence[int]:
        """Return the termination signals received so far; may be called from any thread."""
        return ()

    def say(self, text: str) -> None:
        """Print to stderr on rank 0; may be called from any thread."""
        if self.is_first:
            print(text, file=sys.__stderr__, flush=True)

    def give_up(self, message: str, code: int = LaunchError.exit_code) -> None:
        """Print a message and terminate all ranks with an exit code, from any thread."""
        print(f"rank {self.rank}: {message}", file=sys.__stderr__, flush=True)
        self.abort(code)
        os._exit(code)

    def exchange(
        self,
        sharding: BatchSharding,  # noqa: ARG002
        dtype: str,  # noqa: ARG002
        backend: Backend,  # noqa: ARG002
    ) -> AllReduce | None:
        """Return the all-reduce of the ranks' sums of a dtype, None if there is only one rank."""
        return None


def checked_shards(wanted: int | None, ranks: ProcessGroup, backend: Backend) -> int | None:
    """Return the number of shards per batch, None if it need not be fixed.

    Raises
    ------
    UsageError
        If some ranks would have no shard, or the backend does not support several ranks.
    """
    shards = ranks.default_shards() if wanted is None else wanted
    if shards is None:
        return None
    if shards < ranks.size:
        raise UsageError(
            f"{ranks.size} ranks cannot share {shards} shards.",
            f"Give --shards {ranks.size} or more, or start fewer ranks.",
        )
    if ranks.size > 1 and not backend.is_distributed:
        raise UsageError(
            "The JAX backend trains in one process.", "Omit --backend, or start one process."
        )
    return shards
