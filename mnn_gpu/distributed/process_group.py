"""The processes that train together: what a training asks of them, and the lone one."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from typing import TypeVar

from mnn_gpu.backends import Backend, select_backend
from mnn_gpu.errors import LaunchError, UsageError
from mnn_gpu.step.execution import AllReduce
from mnn_gpu.step.sharding import BatchSharding

T = TypeVar("T")


class ProcessGroup:
    """One process alone; `distributed.mpi.MpiGroup` are many.

    All ranks make the same calls in the same order. Each attribute is what the process itself
    is among them.

    Attributes
    ----------
    rank, size : int
        Which of how many processes this is; the first one is 0.
    local_rank : int
        Which of those of this machine.
    processes_per_node : int
        How many of those of this machine may run on the processors that this one may.
    """

    rank = 0
    size = 1
    local_rank = 0
    processes_per_node = 1

    @property
    def is_first(self) -> bool:
        """Whether it is this process that speaks and writes."""
        return self.rank == 0

    def allgather(self, value: T) -> list[T]:
        """Return everyone's value, in the order of the ranks."""
        return [value]

    def broadcast(self, value: T) -> T:
        """Return the value of the first rank."""
        return value

    def max(self, number: int) -> int:
        """Return the largest of everyone's numbers."""
        return number

    def on_rank0(self, work: Callable[[], T]) -> T | None:
        """Let the first rank do something; if that fails it fails on all.

        Returns
        -------
        The result on the first rank, None elsewhere.
        """
        return work()

    def on_all_ranks(self, work: Callable[[], T]) -> T:
        """Do something that may fail on any rank; if it does, it fails on all."""
        return work()

    def backend(self, device: str | None = None) -> Backend:
        """Return a device's backend for this rank's share of the machine."""
        return select_backend(
            device, local_rank=self.local_rank, processes_per_node=self.processes_per_node
        )

    def default_shards(self) -> int | None:
        """Return into how many shards a batch is cut if nobody has said; None: as it suits."""
        return None

    def abort(self, code: int) -> None:
        """End all other ranks at once; this one ends by itself."""

    def signals(self) -> Sequence[int]:
        """Return the numbers of the signals that came to end the program, from any thread."""
        return ()

    def say(self, text: str) -> None:
        """Say something on stderr, on the first rank, from any thread."""
        if self.is_first:
            print(text, file=sys.__stderr__, flush=True)

    def give_up(self, message: str, code: int = LaunchError.exit_code) -> None:
        """Say something and end all ranks with an exit code, from whichever thread."""
        print(f"rank {self.rank}: {message}", file=sys.__stderr__, flush=True)
        self.abort(code)
        os._exit(code)

    def exchange(
        self,
        sharding: BatchSharding,  # noqa: ARG002
        dtype: str,  # noqa: ARG002
        backend: Backend,  # noqa: ARG002
    ) -> AllReduce | None:
        """Return how the sums of all ranks are added up, None if there is nothing to add.

        Parameters
        ----------
        sharding : BatchSharding
        dtype : str
            In which they travel.
        backend : Backend
        """
        return None


def checked_shards(wanted: int | None, ranks: ProcessGroup, backend: Backend) -> int | None:
    """Return into how many shards the ranks cut a batch, None if as it suits.

    Raises
    ------
    UsageError
        If there is nothing for some of them to do, or the backend cannot.
    """
    shards = ranks.default_shards() if wanted is None else wanted
    if shards is None:
        return None
    if shards < ranks.size:
        raise UsageError(
            f"{ranks.size} ranks are to share {shards} shards.",
            f"Give --shards {ranks.size} or more, or start fewer ranks.",
        )
    if ranks.size > 1 and not backend.is_distributed:
        raise UsageError(
            "The JAX backend trains in one process.", "Leave out --backend, or start one process."
        )
    return shards
