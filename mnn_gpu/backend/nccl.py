"""The exchange between GPUs over NCCL; MPI only brings the ranks together.

A thin layer over `distributed.exchange`, whose arithmetic the tests hold to the plain one.
`cupy.cuda.nccl` is used itself, since ``cupyx.distributed`` needs an MPI of its own.
"""

from __future__ import annotations

import importlib
import platform
import weakref
from collections import deque
from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np

from mnn_gpu.backend.current import current
from mnn_gpu.distributed.exchange import PartwiseExchange
from mnn_gpu.distributed.patience import last_words, patience
from mnn_gpu.distributed.watchdog import Watchdog
from mnn_gpu.ranks import Ranks
from mnn_gpu.sharing import Sharing

Array: TypeAlias = Any


def nccl_of(cupy: Any) -> Any:
    """Return CuPy's NCCL, None where the library is missing."""
    try:
        nccl = importlib.import_module(f"{cupy.__name__}.cuda.nccl")
        nccl.get_version()
    except (ImportError, AttributeError, RuntimeError):
        return None
    return nccl


def can_all_use(cupy: Any, index: int, ranks: Ranks) -> bool:
    """Return whether every rank has NCCL and a GPU of its own, as NCCL wants it."""
    uuid = bytes(cupy.cuda.runtime.getDeviceProperties(index)["uuid"])
    mine = (platform.node(), uuid)
    everyones = ranks.gathered((nccl_of(cupy) is not None, mine))
    gpus = {gpu for _, gpu in everyones}
    return all(has_nccl for has_nccl, _ in everyones) and len(gpus) == ranks.size


class NcclExchange(PartwiseExchange):
    """The exchange of arrays on GPUs; made by all ranks at the same time.

    Parameters
    ----------
    cupy : module
    ranks : Ranks
    sharing, dtype
        See `PartwiseExchange`.
    """

    def __init__(self, cupy: Any, ranks: Ranks, sharing: Sharing, dtype: str) -> None:
        super().__init__(sharing, dtype)
        self.cupy = cupy
        self.device = cupy.cuda.Device().id
        self.nccl = nccl_of(cupy)
        name = self.nccl.get_unique_id() if ranks.is_first else None
        self.comm = self.nccl.NcclCommunicator(ranks.size, ranks.from_first(name), ranks.rank)
        self.events: deque[tuple[int, Any]] = deque()
        self.count = 0
        # The watchdog keeps no exchange alive, and ends with its own.
        this = weakref.ref(self)
        watchdog = Watchdog(
            lambda: _waiting_for(this()),
            patience(),
            lambda why, number: ranks.give_up(*last_words(why, number)),
            signals=ranks.signals,
            say=ranks.say,
        )
        weakref.finalize(self, watchdog.stop)
        watchdog.start()

    def __call__(self, own: Sequence[Array], out: Array) -> None:
        super().__call__(own, out)
        event = self.cupy.cuda.Event(disable_timing=True)
        event.record()
        self.count += 1
        while self.events and self.events[0][1].done:
            self.events.popleft()
        self.events.append((self.count, event))

    def scattered(self, packed: Array) -> Array:
        _, own, part = packed.shape
        received = self.cupy.empty((len(self.branches), part), self.dtype)
        kind, stream = self._kind(self.dtype), self._stream
        first = 0
        self.nccl.groupStart()
        try:
            for peer, count in enumerate(self.counts):
                self.comm.send(packed[peer].data.ptr, own * part, kind, peer, stream)
                self.comm.recv(received[first:].data.ptr, count * part, kind, peer, stream)
                first += count
        finally:
            # Without it, all later calls of this thread would join the group.
            self.nccl.groupEnd()
        return received

    def gather(self, out: Array) -> None:
        part = out.shape[0] // self.ranks
        mine = out[self.rank * part :]
        kind = self._kind(out.dtype)
        self.comm.allGather(mine.data.ptr, out.data.ptr, part, kind, self._stream)

    @property
    def _stream(self) -> int:
        return int(self.cupy.cuda.get_current_stream().ptr)

    def _kind(self, dtype: Any) -> int:
        doubles, singles = self.nccl.NCCL_FLOAT64, self.nccl.NCCL_FLOAT32
        return int(doubles if np.dtype(dtype) == np.float64 else singles)


def _waiting_for(exchange: NcclExchange | None) -> object:
    """Return the number of the oldest exchange that the GPU has not done, None without one."""
    if exchange is None:
        return None
    # In a thread of its own, whose current device would be GPU 0.
    with current(exchange.cupy, exchange.device):
        exchange.comm.check_async_error()
        events = list(exchange.events)
        return next((number for number, event in events if not event.done), None)
