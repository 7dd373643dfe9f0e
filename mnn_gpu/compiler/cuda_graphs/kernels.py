"""What a device is asked for at once, as data."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from mnn_gpu.compiler.cuda_graphs.expressions import Expression, Input, Operation, Value, as_it_is
from mnn_gpu.compiler.operations import ExternalCall
from mnn_gpu.compiler.views import all_in_shape

NDArray: TypeAlias = npt.NDArray[Any]

LONG = 4096
"""Entries: a sum of so many is done in two launches."""


class Reduction(NamedTuple):
    """An expression whose values are added up, or of which the largest are kept.

    Attributes
    ----------
    expression : Expression
        Of one output.
    function : str
        "add" or "maximum".
    axes : tuple of int
    """

    expression: Expression
    function: str
    axes: tuple[int, ...]


class Product(NamedTuple):
    """``A @ B``, or a stack of such.

    Attributes
    ----------
    bits : int or None
        To how many significant bits the operands are rounded, if at all.
    """

    bits: int | None = None


class ColumnProduct(NamedTuple):
    """``A @ v``: a matrix by a column.

    Attributes
    ----------
    matrix : Input
    shape : (rows, inner)
    column : Input or Value
    dtype : str
    """

    matrix: Input
    shape: tuple[int, int]
    column: Input | Value
    dtype: str


class ColumnReduction(NamedTuple):
    """A column's numbers added up, or the largest of them.

    Attributes
    ----------
    function : str
        "add" or "maximum".
    column : Value
    rows : int
    dtype : str
    """

    function: str
    column: Value
    rows: int
    dtype: str


class InputLayout(NamedTuple):
    """How an input lies: its dtype, and elements from row to row and from column to column."""

    dtype: str
    down: int
    along: int


class Columns(NamedTuple):
    """A computation that is done for each column alone.

    Attributes
    ----------
    columns : int
    inputs : tuple of InputLayout
        All of them: columns, matrices, and what entries are taken of, which lies in one piece.
    operations : tuple of (Operation, Matrix or Folded)
        Each may use the results of those before it.
    rows : tuple of int
        Of each operation's result.
    outputs : tuple of int
        Which operations' results are wanted; they lie row-major.
    """

    columns: int
    inputs: tuple[InputLayout, ...]
    operations: tuple[Operation | ColumnProduct | ColumnReduction, ...]
    rows: tuple[int, ...]
    outputs: tuple[int, ...]


class SmallMatmulRows(NamedTuple):
    """``A @ B`` of few rows and row-major A, where the columns of B lie together.

    Attributes
    ----------
    rows, inner, columns : int
    step : int
        Elements from one column of B to the next.
    """

    rows: int
    inner: int
    columns: int
    step: int


class SmallMatmulSlices(NamedTuple):
    """``A[:, s] @ B[s]`` of few rows, both row-major, for each slice of the inner dimension.

    Attributes
    ----------
    rows, inner, columns : int
    slice : int
        Length of the slices; the last one may be shorter.
    """

    rows: int
    inner: int
    columns: int
    slice: int


KernelSpec: TypeAlias = (
    Expression | Reduction | Product | Columns | SmallMatmulRows | SmallMatmulSlices
)


class Kernel(NamedTuple):
    """A device's work on arrays.

    Attributes
    ----------
    what : Expression, Reduction, Product, Columns, SmallMatmulRows or SmallMatmulSlices
        Or Outside, which is done between graphs: an exchange with other ranks.
    inputs : sequence of array
        An expression's have the shape of its outputs, but those it takes rows of.
    outputs : sequence of array
        Whole results, or parts of one that is joined; an expression's row-major.
    """

    spec: KernelSpec | ExternalCall
    inputs: Sequence[NDArray]
    outputs: Sequence[NDArray]


class Concat(NamedTuple):
    """Arrays end to end along the first axis: work only where they do not lie so already."""

    inputs: Sequence[NDArray]
    outputs: Sequence[NDArray]


def stages(spec: Reduction, inputs: Sequence[NDArray], output: NDArray) -> list[Kernel]:
    """Return a reduction; a long one as two, since one block of threads makes one result."""
    shape = inputs[0].shape
    kept = shape[: len(shape) - len(spec.axes)]
    length = math.prod(shape[len(kept) :])
    if length >= LONG and spec.axes == tuple(range(len(kept), len(shape))):
        parts = _even_parts(length)
        cut = all_in_shape(list(inputs), (*kept, parts, length // parts))
        if parts > 1 and cut is not None:
            between = np.empty((*kept, parts), output.dtype)
            rest = Reduction(as_it_is(str(output.dtype)), spec.function, (len(kept),))
            return [
                Kernel(spec._replace(axes=(len(kept) + 1,)), cut, [between]),
                Kernel(rest, [between], [output]),
            ]
    return [Kernel(spec, inputs, [output])]


def _even_parts(length: int) -> int:
    """Return how many parts, all of one size, are about as many as each is long."""
    return max(n for n in range(1, math.isqrt(length) + 1) if length % n == 0)
