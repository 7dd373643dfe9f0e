"""Generated kernels of a GPU, compiled together in one module.

NVRTC takes longer to start than to compile most kernels. So all kernels of a step become one
source: several sources in two threads took no less time (NVRTC 12.9 and 13.5), since NVRTC
optimizes one at a time. CuPy keeps the result on disk.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from functools import lru_cache
from typing import Any

from mnn_gpu.compiler.cuda_graphs.current import current
from mnn_gpu.compiler.cuda_graphs.launch import NAME
from mnn_gpu.compiler.cuda_graphs.small_matmul_kernels import PRELUDE
from mnn_gpu.errors import CompilationWarning, warn

KERNELS = 256
"""Number of kernels cached, least recently used first out: a step has about twenty."""
SILENT_SECONDS = 1.0
"""Time to compile without a message."""


class GeneratedKernel:
    """A kernel of this source; ``function`` is None until it is compiled."""

    def __init__(self, source: str) -> None:
        self.source = source
        self.function: Any = None


@lru_cache(KERNELS)
def kernel_of(cupy: Any, source: str) -> GeneratedKernel:
    """Return the kernel of a source, whichever step asked for it first."""
    if kernel_of.cache_info().misses % KERNELS == 0:
        # CuPy's memo keeps everything it has ever loaded.
        cupy.clear_memo()
    return GeneratedKernel(source)


def module_source(sources: Sequence[str]) -> str:
    """Return the source of a module; its kernels are `kernel_name` of 0, 1, ..."""
    named = [source.replace(NAME, kernel_name(n)) for n, source in enumerate(sources)]
    return "\n".join([PRELUDE, *named])


def kernel_name(number: int) -> str:
    """Return a kernel's name in its module."""
    return f"mnn_gpu_{number}"


class Compiler:
    """Compiles kernels for a GPU, which must be the current one.

    Parameters
    ----------
    cupy : module
    """

    def __init__(self, cupy: Any) -> None:
        self.cupy = cupy
        self.index = cupy.cuda.Device().id
        self.is_announced = False
        self.pending: dict[str, GeneratedKernel] = {}

    def kernel(self, source: str) -> GeneratedKernel:
        """Return the kernel of a source, to be compiled with others at the next `compile`."""
        kernel = kernel_of(self.cupy, source)
        if kernel.function is None:
            self.pending[source] = kernel
        return kernel

    def compile(self) -> None:
        """Compile all kernels asked for; a warning tells if that takes more than a second."""
        kernels, self.pending = list(self.pending.values()), {}
        if not kernels:
            return
        module = self.cupy.RawModule(code=module_source([kernel.source for kernel in kernels]))
        # In another thread, so that this one can give the warning in time.
        with ThreadPoolExecutor(1) as thread:
            loading = thread.submit(self._loaded, module, len(kernels))
            self._announce(loading, len(kernels))
            functions = loading.result()
        for kernel, function in zip(kernels, functions, strict=True):
            kernel.function = function

    def _loaded(self, module: Any, count: int) -> list[Any]:
        with current(self.cupy, self.index):
            return [module.get_function(kernel_name(n)) for n in range(count)]

    def _announce(self, loading: Future[Any], count: int) -> None:
        if self.is_announced or wait([loading], SILENT_SECONDS).done:
            return
        self.is_announced = True
        kernels = "1 kernel" if count == 1 else f"{count} kernels"
        warn(f"compiling {kernels} for this GPU, once", CompilationWarning)
