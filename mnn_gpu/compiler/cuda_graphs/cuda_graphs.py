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
from functools import partial
from typing import Any, TypeAlias

import numpy as np

from mnn_gpu.compiler.cuda_graphs.cublas import Cublas, CublasError
from mnn_gpu.compiler.cuda_graphs.device import Launcher
from mnn_gpu.compiler.cuda_graphs.kernels import GeneratedSpec, KernelSpec, Product
from mnn_gpu.compiler.cuda_graphs.launch import Launch
from mnn_gpu.compiler.cuda_graphs.launches import launch_of
from mnn_gpu.compiler.cuda_graphs.modules import Compiler, GeneratedKernel
from mnn_gpu.compiler.cuda_graphs.scheduling import STREAMS, ScheduleEntry
from mnn_gpu.compiler.cuda_graphs.small_matmul_kernels import VECTOR
from mnn_gpu.compiler.operations import Operation

Array: TypeAlias = Any

VARIABLE = "MNN_CUDA_GRAPHS"


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
        self.compiler = Compiler(cupy)

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
        if not isinstance(array, self.cupy.ndarray):
            return self.cupy.array(array, order="C")
        place = self.cupy.empty(array.shape, array.dtype)
        self.overwrite(place, array)
        return place

    def overwrite(self, place: Array, array: Array) -> None:
        is_on_gpu = isinstance(array, self.cupy.ndarray) and array.dtype == place.dtype
        if is_on_gpu and array.flags.c_contiguous and place.flags.c_contiguous:
            # An assignment would be a kernel of CuPy, to be compiled.
            place.data.copy_from_device_async(array.data, place.nbytes)
        else:
            place[...] = array

    def launcher(self, spec: KernelSpec) -> Launcher:
        if isinstance(spec, Product):
            return partial(partial, self._multiply, spec)
        return partial(self._generated, spec, {})

    def _generated(
        self,
        spec: GeneratedSpec,
        known: dict[Any, tuple[Launch, GeneratedKernel]],
        inputs: Sequence[Array],
        outputs: Sequence[Array],
    ) -> Operation:
        """Return a launch; those on arrays of the same form differ only in the arrays."""
        arrays = (*inputs, *outputs)
        addresses = [array.data.ptr % VECTOR for array in arrays]
        form = tuple((array.shape, array.strides) for array in arrays), *addresses
        if form not in known:
            launch = launch_of(spec, inputs, outputs, addresses)
            known[form] = launch, self.compiler.kernel(launch.source)
        launch, kernel = known[form]
        arguments = (*arrays, *launch.scalars)
        return lambda: kernel.function(launch.grid, (launch.threads,), arguments)

    def compile(self) -> None:
        self.compiler.compile()

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
