"""Large matrix products, in pieces that several threads compute.

A BLAS library distributes a product over its own threads, which has two disadvantages: the
rounding depends on their number, and on a busy computer they wait for each other. Here each
product is cut into pieces that depend only on its shape, each computed by one thread.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from mnn_gpu.compiler.operations import PRODUCTS, Operation
from mnn_gpu.compiler.parallel import ParallelTasks
from mnn_gpu.compiler.trace import Call
from mnn_gpu.step.microbatches import slices

LARGE = 6_000_000
"""Multiplications of a piece; with fewer, waking a thread costs more than it saves."""

MOST_PIECES = 8

TILE = 16
"""Rows that BLAS kernels compute together."""

THREADED = 250_000
"""Multiplications from which OpenBLAS uses several threads."""


def is_threaded(call: Call) -> bool:
    """Return whether this is a product that a BLAS library may distribute over its threads."""
    if call.function not in PRODUCTS:
        return False
    return _multiplications(call.arguments[0], call.result) >= THREADED


def in_pieces(operation: Operation, threads: int) -> Operation:
    """Return a bound product in pieces; any other operation, and a small product, unchanged."""
    if not isinstance(operation, partial) or operation.func is not np.dot:
        return operation
    A, B, out = operation.args
    count = min(MOST_PIECES, _multiplications(A, out) // LARGE)
    if count < 2:
        return operation
    rows = slices(len(A), -(-len(A) // (count * TILE)) * TILE)
    return ParallelTasks([partial(np.dot, A[here], B, out[here]) for here in rows], threads)


def _multiplications(A: npt.NDArray[Any], result: npt.NDArray[Any]) -> int:
    """Return the number of multiplications of ``A @ B``, given A and the result."""
    inner: int = A.shape[-1]
    return result.size * inner
