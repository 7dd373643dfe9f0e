"""Matrix products with few rows, for which BLAS is slow: ten hidden units, ten classes.

OpenBLAS packs both operands before multiplying. With ten rows there is so little to multiply
that packing the large operand takes most of the time. There are two remedies: pieces so
small that OpenBLAS does not pack at all (`has_small_kernels`); or the transposed product,
which packs best.
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
"""`Tape.do`, returning the plain array."""

MOST_ROWS = 32
LEAST_WIDTH = 128

FEW = 24
"""With more rows, products are faster with packing."""

SMALL = 750_000
"""Number of multiplications; OpenBLAS packs from about a million."""

SHORTEST = 32
"""Shorter pieces gain nothing, and their products would need too much memory."""

SMALL_RESULT = 1200
"""Elements of the result; beyond, OpenBLAS packs if the second operand is transposed."""


def is_small(rows: int, inner: int, columns: int) -> bool:
    """Return whether (rows, inner) times (inner, columns) is faster with `product`."""
    return rows <= MOST_ROWS and min(inner, columns) >= LEAST_WIDTH


def product(do: Do, A: NDArray, B: NDArray) -> NDArray:
    """Record ``A @ B`` for an A with few rows; return it, row-major.

    Parameters
    ----------
    do : callable
        Records an operation.
    A : (rows, inner)
    B : (inner, columns)
    """
    if has_small_kernels() and len(A) <= FEW:
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
    """Multiply some rows of B at a time and sum the products."""
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
    """Return the size of equal pieces of a length, at most ``most``."""
    return ceil(length / ceil(length / most))
