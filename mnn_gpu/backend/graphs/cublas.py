"""Matrix products by cuBLAS, on a stream and with a workspace of their own.

CuPy's refuse to be captured in a CUDA graph, since they set their handle's stream each time.
cuBLAS itself does not mind: its library, which CuPy has loaded, is called here by its C names.

References
----------
https://docs.nvidia.com/cuda/cublas: cublasSetWorkspace, cublasGemmEx, and section 2.1.8 on
CUDA graphs.
"""

from __future__ import annotations

import ctypes
import os
import weakref
from collections.abc import Sequence
from itertools import product
from typing import Any, TypeAlias

Array: TypeAlias = Any

LIBRARIES = ("libcublas.so.13", "libcublas.so.12", "cublas64_13.dll", "cublas64_12.dll")
WORKSPACE = 1 << 25
"""Bytes; NVIDIA's advice for its newest GPUs."""
TYPES = {"float32": (0, ctypes.c_float), "float64": (1, ctypes.c_double)}
"""cudaDataType, and the type of the factors."""
COMPUTE = {("float32", None): 68, ("float32", 11): 77, ("float64", None): 70}
"""cublasComputeType: 32F, 32F_FAST_TF32, 64F."""
DEFAULT = -1
"""Of cublasGemmAlgo: cuBLAS chooses."""


class Cublas:
    """The products of one stream.

    Parameters
    ----------
    cupy : module
        Which has multiplied before, so that the library is loaded.
    stream : cupy.cuda.Stream

    Raises
    ------
    OSError
        If the library is not found.
    RuntimeError
        If it refuses.
    """

    def __init__(self, cupy: Any, stream: Any) -> None:
        self.cupy = cupy
        self.library = _loaded(LIBRARIES)
        self.handle = ctypes.c_void_p()
        self._check(self.library.cublasCreate_v2(ctypes.byref(self.handle)))
        # A handle has memory of its own on the GPU.
        weakref.finalize(self, self.library.cublasDestroy_v2, self.handle)
        self._check(self.library.cublasSetStream_v2(self.handle, ctypes.c_void_p(stream.ptr)))
        self.workspace = cupy.cuda.alloc(WORKSPACE)
        self._check(
            self.library.cublasSetWorkspace_v2(
                self.handle, ctypes.c_void_p(self.workspace.ptr), ctypes.c_size_t(WORKSPACE)
            )
        )

    def product(self, A: Array, B: Array, C: Array, bits: int | None = None) -> None:
        """Write ``A @ B``, (rows, inner) times (inner, columns), to C, which is row-major.

        Parameters
        ----------
        A, B, C : arrays of two dimensions, or of three: as many products
        bits : int, optional
            How many significant bits of the operands are enough: 11. Default: all.

        Raises
        ------
        NotImplementedError
            If neither rows nor columns of an operand lie together.
        """
        *stack, rows, inner = A.shape
        columns = B.shape[-1]
        dtype, scalar = TYPES[str(C.dtype)]
        (flip_A, step_A), (flip_B, step_B) = _operand(A), _operand(B)
        # cuBLAS counts column by column, so to it this is the transposed product.
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
            raise RuntimeError(f"cuBLAS refuses with status {status}")


def _distance(M: Array) -> tuple[Any, ...]:
    """Return how far it is from one matrix of a stack to the next, in elements."""
    return (ctypes.c_longlong(M.strides[0] // M.itemsize),) if M.ndim == 3 else ()


def _operand(M: Array) -> tuple[int, int]:
    """Return whether a matrix is transposed, and its rows' distance in elements."""
    (rows, columns), size = M.shape[-2:], M.itemsize
    # How far it is to what is not there does not matter.
    down = M.strides[-2] // size if rows > 1 else columns
    along = M.strides[-1] // size if columns > 1 else rows
    if (along == 1 or columns == 1) and down >= columns:
        return 0, down
    if (down == 1 or rows == 1) and along >= rows:
        return 1, along
    raise NotImplementedError(f"a matrix with strides {M.strides} can't be multiplied")


def _loaded(names: Sequence[str]) -> Any:
    """Return the library that CuPy has loaded, where the system can tell; else the first found."""
    already = getattr(os, "RTLD_NOLOAD", None)
    modes = [ctypes.DEFAULT_MODE] if already is None else [already, ctypes.DEFAULT_MODE]
    for mode, name in product(modes, names):
        try:
            return ctypes.CDLL(name, mode)
        except OSError:
            continue
    raise OSError("cuBLAS is not loaded")
