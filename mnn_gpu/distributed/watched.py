"""A communicator watched by a watchdog: a stopped rank would block the job for ever."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Any

from mnn_gpu.distributed.signals import SignalPipe
from mnn_gpu.distributed.watchdog import Watchdog


class WatchedComm:
    """The collectives of an mpi4py communicator that this package uses.

    mpi4py releases the GIL during a call, so the watchdog's thread keeps running.

    Parameters
    ----------
    comm : mpi4py.MPI.Intracomm
    timeout : float
        Maximum seconds that a call may wait for the other ranks.
    give_up, say : callable
        See `Watchdog`.
    """

    def __init__(
        self,
        comm: Any,
        timeout: float,
        give_up: Callable[[str, int | None], object],
        say: Callable[[str], object],
    ) -> None:
        self.comm = comm
        self.count = 0  # Calls begun and ended: odd during a call.
        # The watchdog does not keep the communicator alive, and ends with it.
        this = weakref.ref(self)
        self.heard = SignalPipe()
        heard = weakref.ref(self.heard)
        watchdog = Watchdog(
            lambda: _waiting_for(this()),
            timeout,
            give_up,
            signals=lambda: [] if (of := heard()) is None else of.all(),
            say=say,
        )
        weakref.finalize(self, watchdog.stop)
        watchdog.start()

    def allgather(self, value: Any) -> Any:
        return self._watched(self.comm.allgather, value)

    def bcast(self, value: Any, root: int) -> Any:
        return self._watched(self.comm.bcast, value, root)

    def allreduce(self, number: Any, operation: Any) -> Any:
        return self._watched(self.comm.allreduce, number, operation)

    def Alltoallv(self, sent: Any, received: Any) -> None:
        self._watched(self.comm.Alltoallv, sent, received)

    def Allgather(self, sent: Any, received: Any) -> None:
        self._watched(self.comm.Allgather, sent, received)

    def _watched(self, call: Callable[..., Any], *arguments: Any) -> Any:
        self.count += 1
        try:
            return call(*arguments)
        finally:
            self.count += 1


def _waiting_for(comm: WatchedComm | None) -> object:
    return comm.count if comm is not None and comm.count % 2 else None
