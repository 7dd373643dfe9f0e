"""Products with a long inner dimension and a small result, cut into several side by side.

A GPU's library deals the result out to its processors, tile by tile, and each goes through the
whole inner dimension alone: with few tiles most of them are idle. So the inner dimension is cut
into parts, whose products are made at once and added up after. (On an H200, (10, 784) times
(784, 128) takes 52 us whole and 3 us in 28 parts.)
"""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from mnn_gpu.compiler.cuda_graphs.kernels import SmallMatmulRows, SmallMatmulSlices

NDArray: TypeAlias = npt.NDArray[Any]

TILE = 64
"""Rows and columns of the result that one processor makes at a time, more or less."""
FEW_TILES = 16
SOME_TILES = 64
TILES = 160
"""Of all parts together: about as many as a large GPU has processors."""
LEAST = 96
"""Inner dimension that is worth cutting."""
SHORTEST = 28
"""Inner dimension of a part."""
LONGEST = 400
"""Parts are no longer than that, however many that makes."""
LONG = 512
"""With so long an inner dimension it pays for some tiles too, not for few alone."""
MOST, MOST_OF_FEW = 16, 32
"""Parts, unless they would be longer than LONGEST; the second where results are FEW."""
FEW = 512


FEW_ROWS = 16
"""So many rows are few enough for kernels of their own, see `cuda_thin`."""
MANY = 4096
"""Columns, or rows, of the large operand from which on these are better."""
LONG_ROWS = 256
SHARED_MEMORY = 40 << 10
"""Bytes of a block."""
SLICE = 96
"""Of 41,000 rows: three slices for each of a large GPU's processors."""


def small_matmul_of(A: NDArray, B: NDArray) -> SmallMatmulRows | SmallMatmulSlices | None:
    """Return the product of few rows that this is, None if it is none or better cut."""
    (rows, inner), columns = A.shape, B.shape[1]
    if rows > FEW_ROWS or not A.flags.c_contiguous or A.dtype.kind != "f":
        return None
    down, along = (stride // B.itemsize for stride in B.strides)
    fits = A.nbytes <= SHARED_MEMORY and columns >= MANY
    if down == 1 and along >= inner >= LEAST and fits:
        return SmallMatmulRows(rows, inner, columns, along)
    if inner >= MANY and B.flags.c_contiguous and columns >= LONG_ROWS:
        return SmallMatmulSlices(rows, inner, columns, SLICE)
    return None


def parts_of(rows: int, inner: int, columns: int) -> int:
    """Return into how many parts (rows, inner) times (inner, columns) is cut, 1 for none."""
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
    of_A = np.reshape(A, (rows, parts, inner // parts), copy=False).transpose(1, 0, 2)
    return of_A, np.reshape(B, (parts, inner // parts, columns), copy=False)
