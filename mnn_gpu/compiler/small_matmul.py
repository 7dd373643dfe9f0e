"""Matrix products of few rows, which BLAS does badly: ten hidden units, ten classes.

OpenBLAS packs both operands before it multiplies. With ten rows there is so little to
multiply that packing the large operand takes most of the time. Two ways around it: in
pieces so small that it does not pack at all (`has_small_kernels`), which makes one thread
faster than two are with the whole; or transposed, which packs best.
"""

from __future__ import annotations

from collections.abc import Callable
from math import ceil
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from mnn_gpu.compiler.operations import DataMovement
from mnn_gpu.utils.blas import has_small_kernels

NDArray: TypeAlias = npt.NDArray[Any]
Do: TypeAlias = Callable[..., NDArray]
"""`Tape.do`, handing back the plain array."""

MOST_ROWS = 32
LEAST_WIDTH = 128

FEW = 12
"""With more rows, two threads and packing are faster than one without."""

FEW_IN_WORKER = 24
"""The same where the product has one thread anyway."""

SMALL = 750_000
"""Multiplications: OpenBLAS packs beyond a million."""

SHORTEST = 32
"""Shorter pieces gain nothing, and their products would need much memory."""

SMALL_RESULT = 1200
"""Elements: beyond, it packs where the second operand is transposed."""


def is_small(rows: int, inner: int, columns: int) -> bool:
    """Return whether (rows, inner) times (inner, columns) is better done by `product`."""
    return rows <= MOST_ROWS and min(inner, columns) >= LEAST_WIDTH


def product(do: Do, A: NDArray, B: NDArray, *, in_worker: bool) -> NDArray:
    """Write down ``A @ B`` for an A of few rows; return it, in row-major order.

    Parameters
    ----------
    do : callable
        Writes an operation down.
    A : (rows, inner)
    B : (inner, columns)
    in_lane : bool
        Whether several threads work side by side, each with products of its own.
    """
    if has_small_kernels() and len(A) <= (FEW_IN_WORKER if in_worker else FEW):
        across = len(B) if B.flags.f_contiguous else B.shape[1]
        most = SMALL // (len(A) * across)
        if most >= SHORTEST:
            along = _along_columns if B.flags.f_contiguous else _along_inner
            return along(do, A, B, most)
    return do(DataMovement.COPY, do(np.dot, B.T, A.T).T, order="C")


def _along_columns(do: Do, A: NDArray, B: NDArray, most: int) -> NDArray:
    """Multiply some columns of B at a time, as rows of the transposed product."""
    (rows, inner), columns = A.shape, B.shape[1]
    size = _even(columns, min(most, SMALL_RESULT // rows))
    whole = columns // size * size
    pieces = B.T[:whole].reshape(-1, size, inner)
    parts = [do(np.matmul, pieces, A.T).reshape(whole, rows)]
    if whole < columns:
        parts.append(do(np.dot, B.T[whole:], A.T))
    return do(DataMovement.COPY, do(DataMovement.CONCAT, *parts).T, order="C")


def _along_inner(do: Do, A: NDArray, B: NDArray, most: int) -> NDArray:
    """Multiply some rows of B at a time and add the products up."""
    (rows, inner), columns = A.shape, B.shape[1]
    size = _even(inner, most)
    whole = inner // size * size
    pieces = A[:, :whole].reshape(rows, -1, size).transpose(1, 0, 2)
    total = do(
        np.add.reduce,
        do(np.matmul, pieces, B[:whole].reshape(-1, size, columns)),
        axis=0,
        keepdims=False,
    )
    if whole < inner:
        total = do(np.add, total, do(np.dot, A[:, whole:], B[whole:]))
    return total


def _even(length: int, most: int) -> int:
    """Return the size of even pieces of a length, none larger than ``most``."""
    return ceil(length / ceil(length / most))
