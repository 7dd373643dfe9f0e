"""CUDA graphs through CuPy: the `Device` of `compile`.

Set the environment variable MNN_CUDA_GRAPHS to 0 to disable them, or to 1 to enable them for
several ranks too.
"""

from __future__ import annotations

import gc
import os
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache, partial
from typing import Any, TypeAlias

import numpy as np

from mnn_gpu.compiler.cuda_graphs import cuda_source, small_matmul_kernels
from mnn_gpu.compiler.cuda_graphs.column_kernels import column_kernel
from mnn_gpu.compiler.cuda_graphs.cublas import Cublas, CublasError
from mnn_gpu.compiler.cuda_graphs.device import Launcher
from mnn_gpu.compiler.cuda_graphs.expressions import Expression
from mnn_gpu.compiler.cuda_graphs.kernels import (
    Columns,
    KernelSpec,
    Product,
    Reduction,
    SmallMatmulRows,
    SmallMatmulSlices,
)
from mnn_gpu.compiler.cuda_graphs.scheduling import STREAMS, ScheduleEntry
from mnn_gpu.compiler.operations import Operation

Array: TypeAlias = Any

VARIABLE = "MNN_CUDA_GRAPHS"

WARP, BLOCK = 32, 128
"""Threads per block: few if there are few columns, so that many processors are used."""
MANY = 8192
KERNELS = 256
"""Number of kernels cached, least recently used first out: a step has about twenty."""


def are_enabled() -> bool:
    """Return whether the user has not disabled CUDA graphs."""
    return os.environ.get(VARIABLE) != "0"


def why_disabled_for_ranks() -> str | None:
    """Return why they are disabled for several ranks; None if the user has enabled them."""
    if os.environ.get(VARIABLE) == "1":
        return None
    return f"not yet tested on GPUs with several ranks; {VARIABLE}=1 enables them"


INVALIDATED = 901
"""cudaErrorStreamCaptureInvalidated: another thread has ended the capture."""
CAPTURE_ERRORS = range(900, 908)
"""cudaErrorStreamCaptureUnsupported to cudaErrorCapturedEvent."""
LOST = {214, *range(700, 704), *range(710, 720)} - {701}
"""cudaError values after which all calls of the process fail, such as an illegal address."""


class CudaGraphs:
    """One GPU's kernels and graphs, on separate streams; see `device.Device`.

    Shared by all compiled steps: their work is serialized on the first stream.

    Parameters
    ----------
    cupy : module

    Raises
    ------
    OSError, CublasError
        If cuBLAS is not available for capture.
    """

    def __init__(self, cupy: Any) -> None:
        self.cupy = cupy
        self.streams = [cupy.cuda.Stream(non_blocking=True) for _ in range(STREAMS)]
        self.stream = self.streams[0]
        # Each stream needs its own handle and workspace, or products would not be bit-identical
        # from run to run.
        self.cublas = {stream.ptr: Cublas.for_capture(cupy, stream) for stream in self.streams}
        # Launches of other threads must not enter a capture on the same stream.
        self.lock = threading.RLock()

    def memory(self, size: int) -> Array:
        return self.cupy.empty(size, np.uint8)

    def view(
        self,
        buffer: Array,
        offset: int,
        shape: Sequence[int],
        dtype: np.dtype[Any],
        strides: Sequence[int],
    ) -> Array:
        return self.cupy.ndarray(tuple(shape), dtype, buffer.data + offset, tuple(strides))

    def copy(self, array: Array) -> Array:
        return self.cupy.array(array, copy=True, order="C")

    def overwrite(self, place: Array, array: Array) -> None:
        place[...] = array

    def launcher(self, spec: KernelSpec) -> Launcher:
        if isinstance(spec, Product):
            return partial(self._multiply, spec)
        if isinstance(spec, SmallMatmulRows | SmallMatmulSlices):
            return partial(_multiply_small, self.cupy, spec)
        kernel = kernel_of(self.cupy, spec)
        if isinstance(spec, Columns):
            threads = BLOCK if spec.columns > MANY else WARP
            blocks = -(-spec.columns // threads)
            return lambda inputs, outputs: kernel((blocks,), (threads,), (*inputs, *outputs))
        if isinstance(spec, Reduction):
            # With one input CuPy would use a CUB kernel, which allocates; so there are two.
            return lambda inputs, outputs: kernel(
                *inputs, inputs[0], out=outputs[0], axis=spec.axes
            )
        return lambda inputs, outputs: kernel(*inputs, *outputs)

    def captured(
        self, operations: Sequence[Operation], schedule: Sequence[ScheduleEntry]
    ) -> Operation | None:
        try:
            return self._captured(operations, schedule)
        except Exception as error:
            # Another thread that synchronizes the device ends a capture.
            if getattr(error, "status", None) in CAPTURE_ERRORS:
                return None
            raise

    def _captured(
        self, operations: Sequence[Operation], schedule: Sequence[ScheduleEntry]
    ) -> Operation:
        with self.cupy.cuda.using_allocator(_refuse_allocation), _without_gc():
            self.stream.begin_capture()
            try:
                self._launch_all(operations, schedule)
            except BaseException as error:
                self._end_failed_capture(error)
                raise
            graph = self.stream.end_capture()
        graph.upload(self.stream)
        return lambda: graph.launch(self.stream)

    def _end_failed_capture(self, error: BaseException) -> None:
        """End an incomplete capture, which always fails; the original error is the cause.

        Except if another thread ended it, which cuBLAS reports only as a general failure.
        """
        try:
            self.stream.end_capture()
        except Exception as ended:
            if isinstance(error, CublasError) and getattr(ended, "status", None) == INVALIDATED:
                raise ended from error

    def _launch_all(
        self, operations: Sequence[Operation], schedule: Sequence[ScheduleEntry]
    ) -> None:
        """Launch operations on streams that wait for each other only where necessary."""
        awaited = {number for entry in schedule for number in entry.after}
        used = {entry.stream for entry in schedule if entry.stream}
        for stream in used:
            self.streams[stream].wait_event(self._event(0))
        events: dict[int, Any] = {}
        for number, (operation, entry) in enumerate(zip(operations, schedule, strict=True)):
            for earlier in entry.after:
                self.streams[entry.stream].wait_event(events[earlier])
            with self.streams[entry.stream]:
                operation()
            if number in awaited:
                events[number] = self._event(entry.stream)
        for stream in used:
            self.stream.wait_event(self._event(stream))

    def _event(self, stream: int) -> Any:
        return self.streams[stream].record(self.cupy.cuda.Event(disable_timing=True))

    def _multiply(self, spec: Product, inputs: Sequence[Array], outputs: Sequence[Array]) -> None:
        (A, B), (C,) = inputs, outputs
        here = self.cupy.cuda.get_current_stream().ptr
        self.cublas[here].product(A, B, C, spec.bits)

    def is_lost(self, error: Exception) -> bool:
        return getattr(error, "status", None) in LOST

    @contextmanager
    def active(self) -> Iterator[None]:
        """Use the graphs' stream, ordered after previous and before following work."""
        outside = self.cupy.cuda.get_current_stream()
        with self.lock:
            self.stream.wait_event(outside.record())
            try:
                with self.stream:
                    yield
            finally:
                outside.wait_event(self.stream.record())


@contextmanager
def _without_gc() -> Iterator[None]:
    """Disable garbage collection: freeing GPU memory or a handle would end a capture."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def _refuse_allocation(size: int) -> Any:
    """Refuse allocations, since the memory of a graph must remain valid."""
    raise RuntimeError(f"{size} bytes were requested during a capture")


def _multiply_small(
    cupy: Any,
    spec: SmallMatmulRows | SmallMatmulSlices,
    inputs: Sequence[Array],
    outputs: Sequence[Array],
) -> None:
    """Multiply with 16-byte loads if all addresses and lengths are multiples of 16 bytes."""
    size = outputs[0].itemsize
    vector = 16 // size
    lengths = (spec.inner, spec.step) if isinstance(spec, SmallMatmulRows) else (spec.columns,)
    places = [array.data.ptr // size for array in (*inputs, *outputs)]
    if any(number % vector for number in (*lengths, *places)):
        vector = 1
    # Batch-dependent sizes are arguments, so that one kernel serves all batch sizes.
    length: Any
    any_length: SmallMatmulRows | SmallMatmulSlices
    if isinstance(spec, SmallMatmulRows):
        *grid, threads = small_matmul_kernels.rows_grid(spec)
        length, any_length = np.int32(spec.columns), spec._replace(columns=0)
    else:
        *grid, threads = small_matmul_kernels.slices_grid(spec, vector)
        length, any_length = np.int64(spec.inner), spec._replace(inner=0)
    kernel = small_matmul_kernel(cupy, any_length, cuda_source.TYPES[str(outputs[0].dtype)], vector)
    kernel(tuple(grid), (threads,), (*inputs, *outputs, length))


@lru_cache(KERNELS)
def small_matmul_kernel(
    cupy: Any, spec: SmallMatmulRows | SmallMatmulSlices, dtype: str, vector: int
) -> Any:
    """Return the kernel of a product with few rows, for any column count or inner dimension."""
    _evict(cupy, small_matmul_kernel.cache_info())
    name = "mnn_gpu_small_matmul"
    if isinstance(spec, SmallMatmulRows):
        return cupy.RawKernel(small_matmul_kernels.rows_kernel(spec, dtype, vector, name), name)
    return cupy.RawKernel(small_matmul_kernels.slices_kernel(spec, dtype, vector, name), name)


def _evict(cupy: Any, cache: Any) -> None:
    """Drop unused kernels: CuPy's memo keeps everything it has ever loaded."""
    if cache.misses % cache.maxsize == 0:
        cupy.clear_memo()


@lru_cache(KERNELS)
def kernel_of(cupy: Any, spec: Expression | Reduction | Columns) -> Any:
    """Return the kernel, compiled by CuPy."""
    _evict(cupy, kernel_of.cache_info())
    if isinstance(spec, Columns):
        name = "mnn_gpu_columns"
        return cupy.RawKernel(column_kernel(spec, name), name)
    if isinstance(spec, Reduction):
        expression = spec.expression
        dtype = expression.operations[expression.outputs[0]].dtype
        return cupy.ReductionKernel(
            f"{cuda_source.input_parameters(expression)}, {expression.inputs[0]} again",
            cuda_source.output_parameters(expression),
            cuda_source.computed(expression),
            cuda_source.REDUCE[spec.function],
            "y0 = a",
            cuda_source.IDENTITY[spec.function],
            "mnn_gpu_reduction",
            cuda_source.TYPES[dtype],
        )
    return cupy.ElementwiseKernel(
        cuda_source.input_parameters(spec),
        cuda_source.output_parameters(spec),
        cuda_source.statements(spec) + "\n" + cuda_source.assignments(spec),
        "mnn_gpu_elementwise",
    )
