"""Matrix products by cuBLAS, with a separate stream and workspace.

CuPy's products cannot be captured in a CUDA graph, since they set their handle's stream each
time. cuBLAS itself supports capture: the library that CuPy has loaded is called here by its C API.

References
----------
https://docs.nvidia.com/cuda/cublas: cublasSetWorkspace, cublasGemmEx, and section 2.1.8 on
CUDA graphs.
"""

from __future__ import annotations

import ctypes
import os
import weakref
from itertools import product
from typing import Any, TypeAlias

from mnn_gpu.compiler.cuda_graphs.current import current

Array: TypeAlias = Any

WORKSPACE = 1 << 25
"""Bytes; as NVIDIA recommends for its newest GPUs."""
TYPES = {"float32": (0, ctypes.c_float), "float64": (1, ctypes.c_double)}
"""cudaDataType, and the type of the factors."""
COMPUTE = {("float32", None): 68, ("float32", 11): 77, ("float64", None): 70}
"""cublasComputeType: 32F, 32F_FAST_TF32, 64F."""
DEFAULT = -1
"""Of cublasGemmAlgo: cuBLAS chooses."""


STATUSES = {
    1: "CUBLAS_STATUS_NOT_INITIALIZED",
    3: "CUBLAS_STATUS_ALLOC_FAILED",
    7: "CUBLAS_STATUS_INVALID_VALUE",
    8: "CUBLAS_STATUS_ARCH_MISMATCH",
    11: "CUBLAS_STATUS_MAPPING_ERROR",
    13: "CUBLAS_STATUS_EXECUTION_FAILED",
    14: "CUBLAS_STATUS_INTERNAL_ERROR",
    15: "CUBLAS_STATUS_NOT_SUPPORTED",
}
"""cublasStatus_t."""


class CublasError(RuntimeError):
    """A cuBLAS call failed; the message gives its status."""


class Cublas:
    """Products by a cuBLAS handle.

    Parameters
    ----------
    cupy : module
        Must have multiplied before, so that the library is loaded.
    handle : int
        A ``cublasHandle_t`` of the current device.

    Raises
    ------
    OSError
        If the library is not found.
    """

    def __init__(self, cupy: Any, handle: int) -> None:
        self.library = _loaded(cupy)
        self.handle = ctypes.c_void_p(handle)
        self.workspace: Any = None

    @classmethod
    def current(cls, cupy: Any) -> Cublas:
        """Return CuPy's handle of this thread and device, on the current stream.

        Raises
        ------
        OSError, CublasError
        """
        cublas = cls(cupy, cupy.cuda.device.get_cublas_handle())
        cublas.set_stream(cupy.cuda.get_current_stream())
        return cublas

    @classmethod
    def for_capture(cls, cupy: Any, stream: Any) -> Cublas:
        """Return a new handle for one stream, with a workspace that can be captured.

        Raises
        ------
        OSError, CublasError
        """
        cublas = cls(cupy, 0)
        cublas._check(cublas.library.cublasCreate_v2(ctypes.byref(cublas.handle)))
        # At process exit the driver frees everything.
        destroy = (cupy.cuda.Device().id, os.getpid(), cublas.library, cublas.handle)
        weakref.finalize(cublas, _destroy, cupy, *destroy).atexit = False
        cublas.set_stream(stream)
        cublas.workspace = cupy.cuda.alloc(WORKSPACE)
        workspace = (ctypes.c_void_p(cublas.workspace.ptr), ctypes.c_size_t(WORKSPACE))
        cublas._check(cublas.library.cublasSetWorkspace_v2(cublas.handle, *workspace))
        return cublas

    def set_stream(self, stream: Any) -> None:
        """Set the stream of all following products."""
        pointer = ctypes.c_void_p(stream.ptr)
        self._check(self.library.cublasSetStream_v2(self.handle, pointer))

    def product(self, A: Array, B: Array, C: Array, bits: int | None = None) -> None:
        """Write ``A @ B``, (rows, inner) times (inner, columns), to C, which is row-major.

        Parameters
        ----------
        A, B, C : arrays of two dimensions, or of three for a stack of products
        bits : int, optional
            Sufficient number of significant bits of the operands: 11. Default: all.

        Raises
        ------
        NotImplementedError
            If neither the rows nor the columns of an operand are contiguous.
        """
        *stack, rows, inner = A.shape
        columns = B.shape[-1]
        dtype, scalar = TYPES[str(C.dtype)]
        (flip_A, step_A), (flip_B, step_B) = _operand(A), _operand(B)
        # cuBLAS is column-major, so it computes the transposed product.
        sizes = (self.handle, flip_B, flip_A, columns, rows, inner, ctypes.byref(scalar(1)))
        matrices = [(B, step_B), (A, step_A), (C, columns)]
        of_B, of_A, of_C = (
            (ctypes.c_void_p(M.data.ptr), dtype, step, *_distance(M)) for M, step in matrices
        )
        end = (COMPUTE[str(C.dtype), bits], DEFAULT)
        function = self.library.cublasGemmEx
        if stack:
            function, end = self.library.cublasGemmStridedBatchedEx, (*stack, *end)
        self._check(function(*sizes, *of_B, *of_A, ctypes.byref(scalar(0)), *of_C, *end))

    def _check(self, status: int) -> None:
        if status:
            raise CublasError(f"cuBLAS failed: {STATUSES.get(status, f'status {status}')}")


def _destroy(cupy: Any, device: int, process: int, library: Any, handle: Any) -> None:
    """Destroy a handle on its device; a forked child does not own its parent's handle."""
    if os.getpid() == process:
        with current(cupy, device):
            library.cublasDestroy_v2(handle)


def _distance(M: Array) -> tuple[Any, ...]:
    """Return the stride between the matrices of a stack, in elements."""
    return (ctypes.c_longlong(M.strides[0] // M.itemsize),) if M.ndim == 3 else ()


def _operand(M: Array) -> tuple[int, int]:
    """Return whether a matrix is transposed, and its leading dimension in elements."""
    (rows, columns), size = M.shape[-2:], M.itemsize
    # The stride of an axis of length 1 is irrelevant.
    row_stride = M.strides[-2] // size if rows > 1 else columns
    column_stride = M.strides[-1] // size if columns > 1 else rows
    if (column_stride == 1 or columns == 1) and row_stride >= columns:
        return 0, row_stride
    if (row_stride == 1 or rows == 1) and column_stride >= rows:
        return 1, column_stride
    raise NotImplementedError(f"a matrix with strides {M.strides} can't be multiplied")


def library_names(version: int) -> tuple[str, str]:
    """Return cuBLAS's file names on Linux and Windows for a CUDA version, 12040 for 12.4."""
    major = version // 1000
    return f"libcublas.so.{major}", f"cublas64_{major}.dll"


def _loaded(cupy: Any) -> Any:
    """Return the library loaded by CuPy; another one may be loaded too, as by PyTorch."""
    names = library_names(cupy.cuda.runtime.runtimeGetVersion())
    already = getattr(os, "RTLD_NOLOAD", None)
    modes = [ctypes.DEFAULT_MODE] if already is None else [already, ctypes.DEFAULT_MODE]
    for mode, name in product(modes, names):
        try:
            return ctypes.CDLL(name, mode)
        except OSError:
            continue
    raise OSError("cuBLAS is not loaded")
