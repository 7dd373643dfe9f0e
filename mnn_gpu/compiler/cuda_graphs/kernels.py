"""The kernels of a step, as data."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from mnn_gpu.compiler.cuda_graphs.expressions import (
    Expression,
    Input,
    Operation,
    Value,
    cast_expression,
)
from mnn_gpu.compiler.operations import ExternalCall
from mnn_gpu.compiler.views import all_in_shape

NDArray: TypeAlias = npt.NDArray[Any]

LONG = 4096
"""Number of entries from which a reduction is split into two kernels."""


class Reduction(NamedTuple):
    """The sum or the maximum of an expression's values.

    Attributes
    ----------
    expression : Expression
        With one output.
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
        Number of significant bits to which the operands are rounded, if any.
    """

    bits: int | None = None


class ColumnProduct(NamedTuple):
    """``A @ v``: a matrix times a column.

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
    """The sum or the maximum of a column.

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
    """Layout of an input: its dtype, and its row and column strides in elements."""

    dtype: str
    row_stride: int
    column_stride: int


class Columns(NamedTuple):
    """A computation on each column separately.

    Attributes
    ----------
    columns : int
    inputs : tuple of InputLayout
        Columns, matrices, and arrays that TAKE takes entries of, which are contiguous.
    operations : tuple of (Operation, ColumnProduct or ColumnReduction)
        Each may use the results of earlier ones.
    rows : tuple of int
        Number of rows of each operation's result.
    outputs : tuple of int
        Indices of the operations whose results are outputs; these are row-major.
    """

    columns: int
    inputs: tuple[InputLayout, ...]
    operations: tuple[Operation | ColumnProduct | ColumnReduction, ...]
    rows: tuple[int, ...]
    outputs: tuple[int, ...]


class SmallMatmulRows(NamedTuple):
    """``A @ B`` with few rows, A row-major, and contiguous columns of B.

    Attributes
    ----------
    rows, inner, columns : int
    step : int
        Stride between the columns of B, in elements.
    """

    rows: int
    inner: int
    columns: int
    step: int


class SmallMatmulSlices(NamedTuple):
    """``A[:, s] @ B[s]`` with few rows, both row-major, for each slice of the inner dimension.

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


GeneratedSpec: TypeAlias = Expression | Reduction | Columns | SmallMatmulRows | SmallMatmulSlices
KernelSpec: TypeAlias = GeneratedSpec | Product


class Kernel(NamedTuple):
    """A kernel and its arguments.

    Attributes
    ----------
    spec : Expression, Reduction, Product, Columns, SmallMatmulRows or SmallMatmulSlices
        Or an ExternalCall, which is made between graphs: an exchange with other ranks.
    inputs : sequence of array
        Those of an expression have the shape of its outputs, except arrays that TAKE reads.
    outputs : sequence of array
        Complete results, or parts of a concatenation; those of an expression are row-major.
    """

    spec: KernelSpec | ExternalCall
    inputs: Sequence[NDArray]
    outputs: Sequence[NDArray]


class Concat(NamedTuple):
    """A concatenation along the first axis; copies only parts that are not yet in place."""

    inputs: Sequence[NDArray]
    outputs: Sequence[NDArray]


def stages(spec: Reduction, inputs: Sequence[NDArray], output: NDArray) -> list[Kernel]:
    """Return the kernels of a reduction; two if it is long, since a block computes one result."""
    shape = inputs[0].shape
    kept = shape[: len(shape) - len(spec.axes)]
    length = math.prod(shape[len(kept) :])
    if length >= LONG and spec.axes == tuple(range(len(kept), len(shape))):
        parts = _even_parts(length)
        cut = all_in_shape(list(inputs), (*kept, parts, length // parts))
        if parts > 1 and cut is not None:
            between = np.empty((*kept, parts), output.dtype)
            rest = Reduction(cast_expression(str(output.dtype)), spec.function, (len(kept),))
            return [
                Kernel(spec._replace(axes=(len(kept) + 1,)), cut, [between]),
                Kernel(rest, [between], [output]),
            ]
    return [Kernel(spec, inputs, [output])]


def _even_parts(length: int) -> int:
    """Return the largest number of equal parts that does not exceed their length."""
    return max(n for n in range(1, math.isqrt(length) + 1) if length % n == 0)
