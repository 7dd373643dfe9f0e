"""Matrix products by cuBLAS, on a stream and with a workspace of their own.

CuPy's refuse to be captured in a CUDA graph, since they set their handle's stream each time.
cuBLAS itself does not mind: its library, which CuPy has loaded, is called here by its C names.

References
----------
https://docs.nvidia.com/cuda/cublas: cublasSetWorkspace, cublas<t>gemm, and section 2.1.8 on
CUDA graphs.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from typing import Any, TypeAlias

Array: TypeAlias = Any

LIBRARIES = ("libcublas.so.13", "libcublas.so.12", "cublas64_13.dll", "cublas64_12.dll")
WORKSPACE = 1 << 25
"""Bytes; NVIDIA's advice for its newest GPUs."""
NAMES = {
    "float32": ("cublasSgemm_v2", ctypes.c_float),
    "float64": ("cublasDgemm_v2", ctypes.c_double),
}


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
        self._check(self.library.cublasSetStream_v2(self.handle, ctypes.c_void_p(stream.ptr)))
        self.workspace = cupy.cuda.alloc(WORKSPACE)
        self._check(
            self.library.cublasSetWorkspace_v2(
                self.handle, ctypes.c_void_p(self.workspace.ptr), ctypes.c_size_t(WORKSPACE)
            )
        )

    def product(self, A: Array, B: Array) -> Array:
        """Return ``A @ B``, (rows, inner) times (inner, columns), in row-major order."""
        (rows, inner), columns = A.shape, B.shape[1]
        C = self.cupy.empty((rows, columns), A.dtype)
        if not C.size:
            return C
        name, scalar = NAMES[str(A.dtype)]
        (A, flip_A, step_A), (B, flip_B, step_B) = (self._operand(M) for M in (A, B))
        one, zero = scalar(1), scalar(0)
        # cuBLAS counts column by column, so to it this is the transposed product.
        self._check(
            getattr(self.library, name)(
                self.handle,
                *(flip_B, flip_A, columns, rows, inner, ctypes.byref(one)),
                *(ctypes.c_void_p(B.data.ptr), step_B, ctypes.c_void_p(A.data.ptr), step_A),
                *(ctypes.byref(zero), ctypes.c_void_p(C.data.ptr), columns),
            )
        )
        return C

    def _operand(self, M: Array) -> tuple[Array, int, int]:
        """Return a matrix, whether it is transposed, and its rows' distance in elements."""
        size = M.itemsize
        down, along = (stride // size for stride in M.strides)
        if along == 1 and down >= M.shape[1]:
            return M, 0, down
        if down == 1 and along >= M.shape[0]:
            return M, 1, along
        M = self.cupy.ascontiguousarray(M)
        return M, 0, M.shape[1]

    def _check(self, status: int) -> None:
        if status:
            raise RuntimeError(f"cuBLAS refuses with status {status}")


def _loaded(names: Sequence[str]) -> Any:
    for name in names:
        try:
            return ctypes.CDLL(name)
        except OSError:
            continue
    raise OSError("cuBLAS is not loaded")
