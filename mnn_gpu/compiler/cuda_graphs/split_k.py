"""Products with a long inner dimension and a small result, split into parts (split-K).

cuBLAS assigns the result to the processors, tile by tile, and each computes the whole inner
dimension: with few tiles most processors are idle. So the inner dimension is split into parts,
whose products are computed in parallel and then summed. (On an H200, (10, 784) times (784, 128)
takes 52 us whole and 3 us in 28 parts.)
"""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy.typing as npt

from mnn_gpu.compiler.cuda_graphs.kernels import SmallMatmulRows, SmallMatmulSlices
from mnn_gpu.compiler.views import reshaped

NDArray: TypeAlias = npt.NDArray[Any]

TILE = 64
"""Approximate number of rows and columns of the result that one processor computes."""
FEW_TILES = 16
SOME_TILES = 64
TILES = 160
"""Of all parts together: about the number of processors of a large GPU."""
LEAST = 96
"""Shortest inner dimension worth splitting."""
SHORTEST = 28
"""Minimum inner dimension of a part."""
LONGEST = 400
"""Maximum inner dimension of a part, whatever their number."""
LONG = 512
"""From this inner dimension on, SOME_TILES is the limit instead of FEW_TILES."""
MOST, MOST_OF_FEW = 16, 32
"""Number of parts, unless they would exceed LONGEST; the second for results of FEW entries."""
FEW = 512


FEW_ROWS = 16
"""Maximum number of rows for special kernels, see `small_matmul_kernels`."""
MANY = 4096
"""Minimum number of columns, or rows, of the large operand for these kernels."""
LONG_ROWS = 256
SHARED_MEMORY = 40 << 10
"""Bytes per block."""
SLICE = 96
"""For 41,000 rows: three slices per processor of a large GPU."""


def small_matmul_of(A: NDArray, B: NDArray) -> SmallMatmulRows | SmallMatmulSlices | None:
    """Return the product as one with few rows, None if it is not, or better split."""
    (rows, inner), columns = A.shape, B.shape[1]
    if rows > FEW_ROWS or not A.flags.c_contiguous or A.dtype.kind != "f":
        return None
    row_stride, column_stride = (stride // B.itemsize for stride in B.strides)
    fits = A.nbytes <= SHARED_MEMORY and columns >= MANY
    if row_stride == 1 and column_stride >= inner >= LEAST and fits:
        return SmallMatmulRows(rows, inner, columns, column_stride)
    if inner >= MANY and B.flags.c_contiguous and columns >= LONG_ROWS:
        return SmallMatmulSlices(rows, inner, columns, SLICE)
    return None


def parts_of(rows: int, inner: int, columns: int) -> int:
    """Return the number of parts for (rows, inner) times (inner, columns), 1 for no split."""
    tiles = -(-rows // TILE) * -(-columns // TILE)
    if tiles > (SOME_TILES if inner >= LONG else FEW_TILES):
        return 1
    if inner < LEAST:
        return 1
    most = MOST_OF_FEW if rows * columns <= FEW else MOST
    most = max(min(inner // SHORTEST, TILES // tiles, most), inner // LONGEST)
    return max((n for n in range(1, most + 1) if inner % n == 0), default=1)


def cut(A: NDArray, B: NDArray, parts: int) -> tuple[NDArray, NDArray]:
    """Return views, (parts, rows, inner / parts) and (parts, inner / parts, columns)."""
    (rows, inner), columns = A.shape, B.shape[1]
    of_A = reshaped(A, (rows, parts, inner // parts)).transpose(1, 0, 2)
    return of_A, reshaped(B, (parts, inner // parts, columns))
