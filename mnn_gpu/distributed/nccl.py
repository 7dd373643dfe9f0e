"""All-reduce between GPUs over NCCL; MPI only connects the ranks.

A thin layer over `all_reduce`, whose arithmetic the tests compare with the serial sum.
`cupy.cuda.nccl` is used directly, since ``cupyx.distributed`` starts its own process group.
"""

from __future__ import annotations

import importlib
import platform
import weakref
from collections import deque
from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np

from mnn_gpu.backends import Backend
from mnn_gpu.backends.cupy_backend import CupyBackend
from mnn_gpu.compiler.cuda_graphs.current import current
from mnn_gpu.distributed.all_reduce import PartwiseAllReduce
from mnn_gpu.distributed.process_group import ProcessGroup
from mnn_gpu.distributed.timeout import timeout, timeout_message
from mnn_gpu.distributed.watchdog import Watchdog
from mnn_gpu.errors import TrainingWarning, warn
from mnn_gpu.step.sharding import BatchSharding

Array: TypeAlias = Any


def nccl_of(cupy: Any) -> Any:
    """Return CuPy's NCCL, None if the library is missing."""
    try:
        nccl = importlib.import_module(f"{cupy.__name__}.cuda.nccl")
        nccl.get_version()
    except (ImportError, AttributeError, RuntimeError):
        return None
    return nccl


def can_all_use(cupy: Any, index: int, ranks: ProcessGroup) -> bool:
    """Return whether every rank has NCCL and a separate GPU, as NCCL requires."""
    uuid = bytes(cupy.cuda.runtime.getDeviceProperties(index)["uuid"])
    mine = (platform.node(), uuid)
    values = ranks.allgather((nccl_of(cupy) is not None, mine))
    gpus = {gpu for _, gpu in values}
    return all(has_nccl for has_nccl, _ in values) and len(gpus) == ranks.size


def between_gpus(
    backend: Backend, ranks: ProcessGroup, sharding: BatchSharding, dtype: str
) -> NcclAllReduce | None:
    """Return the all-reduce over NCCL if every rank has it and a separate GPU, else None."""
    if not isinstance(backend, CupyBackend):
        return None
    if can_all_use(backend.cupy, backend.index, ranks):
        return NcclAllReduce(backend.cupy, ranks, sharding, dtype)
    if ranks.is_first:
        warn(
            "Not every rank has NCCL and a separate GPU: gradients are exchanged through the "
            "host. Install nvidia-nccl-cu12 or -cu13, and start one rank per GPU.",
            TrainingWarning,
        )
    return None


class NcclAllReduce(PartwiseAllReduce):
    """All-reduce of arrays on GPUs; created by all ranks at the same time."""

    def __init__(self, cupy: Any, ranks: ProcessGroup, sharding: BatchSharding, dtype: str) -> None:
        super().__init__(sharding, dtype)
        self.cupy = cupy
        self.device = cupy.cuda.Device().id
        self.nccl = nccl_of(cupy)
        name = self.nccl.get_unique_id() if ranks.is_first else None
        self.comm = self.nccl.NcclCommunicator(ranks.size, ranks.broadcast(name), ranks.rank)
        self.events: deque[tuple[int, Any]] = deque()
        self.count = 0
        # The watchdog does not keep this object alive, and ends with it.
        this = weakref.ref(self)
        watchdog = Watchdog(
            lambda: _waiting_for(this()),
            timeout(),
            lambda why, number: ranks.give_up(*timeout_message(why, number)),
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

    def scatter(self, packed: Array) -> Array:
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


def _waiting_for(exchange: NcclAllReduce | None) -> object:
    """Return the number of the oldest unfinished exchange on the GPU, None if there is none."""
    if exchange is None:
        return None
    # In a separate thread, whose current device would be GPU 0.
    with current(exchange.cupy, exchange.device):
        exchange.comm.check_async_error()
        events = list(exchange.events)
        return next((number for number, event in events if not event.done), None)
