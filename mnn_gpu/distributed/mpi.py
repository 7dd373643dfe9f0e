"""The process group of an MPI program, through mpi4py."""

from __future__ import annotations

import os
import weakref
from collections.abc import Callable
from typing import Any, TypeVar

from mnn_gpu.backends import Backend
from mnn_gpu.distributed.all_reduce import HostAllReduce, StagedAllReduce
from mnn_gpu.distributed.mpi_start import on_this_machine
from mnn_gpu.distributed.pipes import wait_until_read
from mnn_gpu.distributed.process_group import ProcessGroup
from mnn_gpu.distributed.timeout import kill_after, timeout, timeout_message
from mnn_gpu.distributed.watched import WatchedComm
from mnn_gpu.errors import MnnGpuError, OutputError, RankError
from mnn_gpu.step.execution import AllReduce
from mnn_gpu.step.sharding import BatchSharding

T = TypeVar("T")

DEFAULT_SHARDS = 8
ABORT_SECONDS = 5.0
"""Time limit for `MPI_Abort` to end this process; it may wait for another thread's lock."""


class MpiGroup(ProcessGroup):
    """The ranks of an mpi4py communicator; created by all of them at the same time."""

    def __init__(self, comm: Any) -> None:
        from mpi4py import MPI

        self.rank, self.size = comm.rank, comm.size
        # A method of this object would keep it and its watchdog alive.
        this = weakref.ref(self)
        self.comm = WatchedComm(
            comm,
            timeout(),
            lambda why, number: _give_up(this(), why, number),
            lambda text: _say(this(), text),
        )
        self._maximum = MPI.MAX
        self.allgather(None)  # What follows is not watched; now all ranks have arrived.
        self.local_rank, self.processes_per_node = on_this_machine(comm)

    def allgather(self, value: T) -> list[T]:
        values: list[T] = self.comm.allgather(value)
        return values

    def broadcast(self, value: T) -> T:
        first: T = self.comm.bcast(value, 0)
        return first

    def max(self, number: int) -> int:
        most: int = self.comm.allreduce(number, self._maximum)
        return most

    def on_rank0(self, work: Callable[[], T]) -> T | None:
        return self.on_all_ranks(work if self.is_first else lambda: None)

    def on_all_ranks(self, work: Callable[[], T]) -> T:
        error: Exception | None = None
        try:
            result = work()
        except Exception as own:
            error = own
        failures = self.allgather(None if error is None else _describe(error))
        if error is not None:
            raise error
        for rank, failure in enumerate(failures):
            if failure is not None:
                raise RankError(rank, *failure)
        return result

    def default_shards(self) -> int:
        """Return 8, so that up to 8 ranks are bit-identical; beyond, the next power of 2."""
        return max(DEFAULT_SHARDS, 1 << (self.size - 1).bit_length())

    def exchange(self, sharding: BatchSharding, dtype: str, backend: Backend) -> AllReduce | None:
        if self.size == 1:
            return None
        on_host = HostAllReduce(self.comm, sharding, dtype)
        if backend.is_host:
            return on_host
        from mnn_gpu.distributed.nccl import between_gpus

        direct = between_gpus(backend, self, sharding, dtype)
        return StagedAllReduce(on_host, backend) if direct is None else direct

    def signals(self) -> list[int]:
        return self.comm.heard.all()

    def abort(self, code: int) -> None:
        """Terminate all ranks immediately."""
        abort_all(self.comm.comm, code)


def abort_all(comm: Any, code: int) -> None:
    """Terminate all ranks of a communicator immediately, from any thread."""
    # A launcher drops unread output of a rank that aborts, including its error message.
    wait_until_read(1)
    wait_until_read(2)
    with kill_after(ABORT_SECONDS):
        comm.Abort(code)
        os._exit(code)  # If Abort returns.


def _give_up(ranks: ProcessGroup | None, why: str, number: int | None) -> None:
    if ranks is None:
        return
    ranks.give_up(*timeout_message(why, number))


def _say(ranks: ProcessGroup | None, text: str) -> None:
    if ranks is not None:
        ranks.say(text)


def _describe(error: Exception) -> tuple[str, str, int]:
    """Return what other ranks need to report an error: cause, cure and exit code."""
    if isinstance(error, MnnGpuError):
        return error.cause, error.cure, error.exit_code
    code = OutputError.exit_code if isinstance(error, OSError) else MnnGpuError.exit_code
    return f"{type(error).__name__}: {error}", "See that rank's output.", code
