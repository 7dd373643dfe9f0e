"""CUDA graphs through CuPy, for `capture`.

Where the environment variable MNN_CUDA_GRAPHS is 0 there are none; several ranks have them where it
is 1.
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
from mnn_gpu.compiler.cuda_graphs.launches import (
    Columns,
    Product,
    Reduction,
    ThinRows,
    ThinSlices,
    What,
)
from mnn_gpu.compiler.cuda_graphs.scheduling import LANES, Turn
from mnn_gpu.compiler.operations import Operation

Array: TypeAlias = Any

VARIABLE = "MNN_CUDA_GRAPHS"

WARP, BLOCK = 32, 128
"""Threads of a block: few where there are few columns, so that these are on many processors."""
MANY = 8192
KERNELS = 256
"""Are kept, those used last: a step has about twenty, and a program some steps."""


def are_wanted() -> bool:
    """Return whether the user has not refused them."""
    return os.environ.get(VARIABLE) != "0"


def hindrance_of_ranks() -> str | None:
    """Return why several ranks have none; None if the user has asked for them."""
    if os.environ.get(VARIABLE) == "1":
        return None
    return f"not yet run on GPUs by several ranks; {VARIABLE}=1 turns them on"


INVALIDATED = 901
"""cudaErrorStreamCaptureInvalidated: another thread has ended the capture."""
CAPTURE_ERRORS = range(900, 908)
"""cudaErrorStreamCaptureUnsupported to cudaErrorCapturedEvent."""
LOST = {214, *range(700, 704), *range(710, 720)} - {701}
"""Numbers of cudaError after which all calls of the process fail, such as an illegal address."""


class CudaGraphs:
    """One GPU's kernels and graphs, on streams of their own; see `device.Device`.

    Compiled steps share it: their work follows one another on the first stream.

    Parameters
    ----------
    cupy : module

    Raises
    ------
    OSError, CublasError
        If there is no cuBLAS that can be captured.
    """

    def __init__(self, cupy: Any) -> None:
        self.cupy = cupy
        self.lanes = [cupy.cuda.Stream(non_blocking=True) for _ in range(LANES)]
        self.stream = self.lanes[0]
        # Each lane has a handle and a workspace of its own, or products would not come to the
        # same bits each time.
        self.cublas = {lane.ptr: Cublas.for_capture(cupy, lane) for lane in self.lanes}
        # Another thread's launches must not come into a capture on the same stream.
        self.lock = threading.RLock()

    def memory(self, size: int) -> Array:
        return self.cupy.empty(size, np.uint8)

    def view(
        self,
        home: Array,
        offset: int,
        shape: Sequence[int],
        dtype: np.dtype[Any],
        strides: Sequence[int],
    ) -> Array:
        return self.cupy.ndarray(tuple(shape), dtype, home.data + offset, tuple(strides))

    def copy(self, array: Array) -> Array:
        return self.cupy.array(array, copy=True, order="C")

    def overwrite(self, place: Array, array: Array) -> None:
        place[...] = array

    def launcher(self, what: What) -> Launcher:
        if isinstance(what, Product):
            return partial(self._multiply, what)
        if isinstance(what, ThinRows | ThinSlices):
            return partial(_multiply_thin, self.cupy, what)
        kernel = kernel_of(self.cupy, what)
        if isinstance(what, Columns):
            threads = BLOCK if what.columns > MANY else WARP
            blocks = -(-what.columns // threads)
            return lambda inputs, outputs: kernel((blocks,), (threads,), (*inputs, *outputs))
        if isinstance(what, Reduction):
            # Of one input CuPy would make a kernel of CUB's, which allocates; so there are two.
            return lambda inputs, outputs: kernel(
                *inputs, inputs[0], out=outputs[0], axis=what.axes
            )
        return lambda inputs, outputs: kernel(*inputs, *outputs)

    def captured(
        self, operations: Sequence[Operation], schedule: Sequence[Turn]
    ) -> Operation | None:
        try:
            return self._captured(operations, schedule)
        except Exception as error:
            # Another thread that synchronises the device ends a capture.
            if getattr(error, "status", None) in CAPTURE_ERRORS:
                return None
            raise

    def _captured(self, operations: Sequence[Operation], schedule: Sequence[Turn]) -> Operation:
        with self.cupy.cuda.using_allocator(_refused), _no_collection():
            self.stream.begin_capture()
            try:
                self._deal_out(operations, schedule)
            except BaseException as error:
                self._end_failed_capture(error)
                raise
            graph = self.stream.end_capture()
        graph.upload(self.stream)
        return lambda: graph.launch(self.stream)

    def _end_failed_capture(self, error: BaseException) -> None:
        """End a capture that is not complete, which always fails; the first error is the reason.

        Except where another thread ended it before, of which cuBLAS only says that it failed.
        """
        try:
            self.stream.end_capture()
        except Exception as ended:
            if isinstance(error, CublasError) and getattr(ended, "status", None) == INVALIDATED:
                raise ended from error

    def _deal_out(self, operations: Sequence[Operation], schedule: Sequence[Turn]) -> None:
        """Ask for operations on streams that wait for each other only where they must."""
        awaited = {number for turn in schedule for number in turn.after}
        used = {turn.lane for turn in schedule if turn.lane}
        for lane in used:
            self.lanes[lane].wait_event(self._event(0))
        events: dict[int, Any] = {}
        for number, (operation, turn) in enumerate(zip(operations, schedule, strict=True)):
            for earlier in turn.after:
                self.lanes[turn.lane].wait_event(events[earlier])
            with self.lanes[turn.lane]:
                operation()
            if number in awaited:
                events[number] = self._event(turn.lane)
        for lane in used:
            self.stream.wait_event(self._event(lane))

    def _event(self, lane: int) -> Any:
        return self.lanes[lane].record(self.cupy.cuda.Event(disable_timing=True))

    def _multiply(self, what: Product, inputs: Sequence[Array], outputs: Sequence[Array]) -> None:
        (A, B), (C,) = inputs, outputs
        here = self.cupy.cuda.get_current_stream().ptr
        self.cublas[here].product(A, B, C, what.bits)

    def is_lost(self, error: Exception) -> bool:
        return getattr(error, "status", None) in LOST

    @contextmanager
    def active(self) -> Iterator[None]:
        """Work on the stream of graphs, after what was asked for before and before what is next."""
        outside = self.cupy.cuda.get_current_stream()
        with self.lock:
            self.stream.wait_event(outside.record())
            try:
                with self.stream:
                    yield
            finally:
                outside.wait_event(self.stream.record())


@contextmanager
def _no_collection() -> Iterator[None]:
    """Collect no garbage: to free memory of the GPU or a handle ends a capture."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def _refused(size: int) -> Any:
    """Refuse memory, since what a graph works in must stay its own."""
    raise RuntimeError(f"{size} bytes are asked for within a capture")


def _multiply_thin(
    cupy: Any, what: ThinRows | ThinSlices, inputs: Sequence[Array], outputs: Sequence[Array]
) -> None:
    """Multiply by a kernel that reads sixteen bytes at once, where all lies on such."""
    size = outputs[0].itemsize
    vector = 16 // size
    lengths = (what.inner, what.step) if isinstance(what, ThinRows) else (what.columns,)
    places = [array.data.ptr // size for array in (*inputs, *outputs)]
    if any(number % vector for number in (*lengths, *places)):
        vector = 1
    # What depends on the size of the batch is an argument, so that one kernel is for all sizes.
    length: Any
    any_length: ThinRows | ThinSlices
    if isinstance(what, ThinRows):
        *grid, threads = small_matmul_kernels.rows_grid(what)
        length, any_length = np.int32(what.columns), what._replace(columns=0)
    else:
        *grid, threads = small_matmul_kernels.slices_grid(what, vector)
        length, any_length = np.int64(what.inner), what._replace(inner=0)
    kernel = thin_kernel(cupy, any_length, cuda_source.TYPES[str(outputs[0].dtype)], vector)
    kernel(tuple(grid), (threads,), (*inputs, *outputs, length))


@lru_cache(KERNELS)
def thin_kernel(cupy: Any, what: ThinRows | ThinSlices, dtype: str, vector: int) -> Any:
    """Return the kernel of a product of few rows, for any columns or any inner dimension."""
    _forget_some(cupy, thin_kernel.cache_info())
    name = "mnn_gpu_thin_product"
    if isinstance(what, ThinRows):
        return cupy.RawKernel(small_matmul_kernels.rows_kernel(what, dtype, vector, name), name)
    return cupy.RawKernel(small_matmul_kernels.slices_kernel(what, dtype, vector, name), name)


def _forget_some(cupy: Any, cache: Any) -> None:
    """Let go of kernels that nobody holds: CuPy's memo keeps all that it has ever loaded."""
    if cache.misses % cache.maxsize == 0:
        cupy.clear_memo()


@lru_cache(KERNELS)
def kernel_of(cupy: Any, what: Expression | Reduction | Columns) -> Any:
    """Return the kernel that CuPy compiles."""
    _forget_some(cupy, kernel_of.cache_info())
    if isinstance(what, Columns):
        name = "mnn_gpu_columns"
        return cupy.RawKernel(column_kernel(what, name), name)
    if isinstance(what, Reduction):
        expression = what.expression
        dtype = expression.operations[expression.outputs[0]].dtype
        return cupy.ReductionKernel(
            f"{cuda_source.input_parameters(expression)}, {expression.inputs[0]} again",
            cuda_source.output_parameters(expression),
            cuda_source.computed(expression),
            cuda_source.REDUCE[what.function],
            "y0 = a",
            cuda_source.IDENTITY[what.function],
            "mnn_gpu_reduction",
            cuda_source.TYPES[dtype],
        )
    return cupy.ElementwiseKernel(
        cuda_source.input_parameters(what),
        cuda_source.output_parameters(what),
        cuda_source.statements(what) + "\n" + cuda_source.assignments(what),
        "mnn_gpu_elementwise",
    )
