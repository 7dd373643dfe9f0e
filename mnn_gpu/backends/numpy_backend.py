"""NumPy on the CPU: always available."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import array_api_compat.numpy
import numpy as np
import numpy.typing as npt

from mnn_gpu.backends.base import Backend, Memory
from mnn_gpu.compiler.blocked import blockwise
from mnn_gpu.compiler.replay import Replay, TornStepError
from mnn_gpu.compiler.trace import Tape
from mnn_gpu.errors import DeviceError
from mnn_gpu.step.execution import AllGather, PartFunction, Run, Step, Update, single_rank
from mnn_gpu.utils.blas import single_threaded
from mnn_gpu.utils.memory import host_memory
from mnn_gpu.utils.threads import thread_count

# 2,048 rows of 784 float32 are 6 MiB: they stay in the L3 cache between forward and backward.
SHARD_ROWS = 2048

# Few enough for frequent progress and a quick response to Ctrl-C, many enough to cost nothing.
STEPS_PER_CALL = 16

# Bytes of a vector, 65,536 float32: the temporary results of an update stay in the L2 cache.
BLOCK = 1 << 18

# The intermediate images of a deformation stay in the L2 cache.
CACHED = 131072

# Parts of a large batch, whatever the number of threads. More threads than memory channels
# gain nothing.
WORKERS = 8


class NumpyBackend(Backend):
    """NumPy arrays in host memory.

    Parameters
    ----------
    processes_per_node : int
        Number of processes that share the processors.
    """

    def __init__(self, processes_per_node: int = 1) -> None:
        super().__init__(
            "numpy",
            "cpu",
            array_api_compat.numpy,
            SHARD_ROWS,
            STEPS_PER_CALL,
            cached=CACHED,
            workers=WORKERS,
            threads=thread_count(processes_per_node),
            # Reading and scaling uint8 pixels is faster than reading float pixels.
            prescales_pixels=False,
            is_host=True,
        )

    def asarray(self, array: npt.ArrayLike, dtype: npt.DTypeLike | None = None) -> npt.NDArray[Any]:
        return np.asarray(array, dtype=dtype)

    def to_numpy(self, array: Any) -> npt.NDArray[Any]:
        return np.asarray(array)

    def synchronize(self) -> None:
        pass

    def memory(self) -> Memory:
        """Return the available memory; unknown on macOS, see `host_memory`."""
        return Memory(*host_memory())

    def active(self) -> AbstractContextManager[Any]:
        return nullcontext()

    def is_out_of_memory(self, error: BaseException) -> bool:
        return isinstance(error, MemoryError) and not isinstance(error, TornStepError)

    def explain(self, error: BaseException) -> DeviceError | None:
        if isinstance(error, MemoryError):
            return DeviceError(
                f"The computer ran out of memory ({error}).",
                "Lower --rows or --shard-rows, or close other programs.",
            )
        return None

    def compile(self, step: Step, data: Any, allgather: AllGather = single_rank) -> Run:  # noqa: ARG002
        """Trace the step once and replay it in preallocated memory; see `replay.py`."""
        return Replay(step, data, self.threads)

    def fuse(self, update: Update) -> Update:
        """Process the vectors in blocks that stay in the cache."""
        return blockwise(update, BLOCK, self.workers)

    def single_threaded(self) -> AbstractContextManager[Any]:
        return single_threaded()

    def parallel_map(self, function: PartFunction, array: Any, items: Sequence[Any]) -> list[Any]:
        """Record each part of the items as the calls of another worker."""
        xp = array_api_compat.array_namespace(array)
        if not isinstance(xp, Tape):
            return super().parallel_map(function, array, items)

        def in_next_worker(array: Any, part: Sequence[Any]) -> Any:
            xp.worker += 1
            return function(array, part)

        results = super().parallel_map(in_next_worker, array, items)
        xp.worker = 0
        return results
