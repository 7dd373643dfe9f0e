"""CUDA graphs through CuPy, for `capture`: a thin layer that has not run on a GPU yet.

So it is only taken where the environment variable MNN_CUDA_GRAPHS is 1.
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeAlias

from mnn_gpu.backend.capturable import Namespace, unwrapped
from mnn_gpu.backend.cublas import Cublas

Array: TypeAlias = Any

VARIABLE = "MNN_CUDA_GRAPHS"


def are_wanted() -> bool:
    """Return whether the user has asked for them."""
    return os.environ.get(VARIABLE) == "1"


class CudaGraphs:
    """Graphs of one GPU, on a stream and in a pool of memory of their own; see `capture.Graphs`.

    Parameters
    ----------
    cupy : module

    Raises
    ------
    OSError, RuntimeError
        If there is no cuBLAS that can be captured.
    """

    def __init__(self, cupy: Any) -> None:
        self.cupy = cupy
        self.stream = cupy.cuda.Stream(non_blocking=True)
        # What a graph computes with stays where it was: nothing else may take that memory.
        self.pool = cupy.cuda.MemoryPool()
        library = importlib.import_module("array_api_compat.cupy")
        self.namespace = Namespace(library, Cublas(cupy, self.stream).product)

    def capturable(self, array: Array) -> Any:
        return self.namespace.wrapped(array)

    def plain(self, array: Any) -> Array:
        return unwrapped(array)

    def copy(self, array: Array) -> Array:
        return self.cupy.array(array, copy=True, order="C")

    def overwrite(self, place: Array, array: Array) -> None:
        place[...] = array

    def captured(self, work: Callable[[], None]) -> Callable[[], None]:
        with self.cupy.cuda.using_allocator(self.pool.malloc):
            self.stream.begin_capture()
            try:
                work()
            finally:
                graph = self.stream.end_capture()
        graph.upload(self.stream)

        def launch() -> None:
            graph.launch(self.stream)

        return launch

    @contextmanager
    def active(self) -> Iterator[None]:
        """Work on the stream of graphs, after what was asked for before and before what is next."""
        outside = self.cupy.cuda.get_current_stream()
        self.stream.wait_event(outside.record())
        with self.stream:
            yield
        outside.wait_event(self.stream.record())
