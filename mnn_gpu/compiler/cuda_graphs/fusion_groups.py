"""A group of elementwise operations of equal size that become one kernel."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy.typing as npt

from mnn_gpu.compiler.cuda_graphs.expressions import (
    Expression,
    Input,
    Operation,
    renumbered,
    restricted,
)
from mnn_gpu.compiler.cuda_graphs.kernels import Kernel
from mnn_gpu.compiler.views import all_in_shape, in_shape, is_same, row_major

NDArray: TypeAlias = npt.NDArray[Any]


class Group:
    """Operations and their inputs.

    Parameters
    ----------
    shape : tuple of int
        Common shape of all arrays, row-major, so that indices are in memory order.

    Attributes
    ----------
    inputs : list of array
    rows : set of int
        Indices of the inputs that TAKE takes entries of, which are vectors.
    operations : list of Operation
    results : list of array
        Complete result of each operation.
    is_open : bool
        Whether operations can be added: not after another kernel has read a result.
    last : int
        Index of the last call added.
    """

    def __init__(self, shape: tuple[int, ...]) -> None:
        self.shape = shape
        self.inputs: list[NDArray] = []
        self.rows: set[int] = set()
        self.operations: list[Operation] = []
        self.results: list[NDArray] = []
        self.is_open = True
        self.last = -1

    def input(self, array: NDArray, *, rows: bool = False) -> Input:
        """Return the index of an input, which is added if it is new."""
        for number, known in enumerate(self.inputs):
            if is_same(known, array) and (number in self.rows) == rows:
                return Input(number)
        self.inputs.append(array)
        if rows:
            self.rows.add(len(self.inputs) - 1)
        return Input(len(self.inputs) - 1)

    def inputs_in(self, shape: tuple[int, ...]) -> list[NDArray] | None:
        """Return the inputs in another shape, None if one would have to be copied."""
        seen = [
            array if number in self.rows else in_shape(array, shape)
            for number, array in enumerate(self.inputs)
        ]
        found = [array for array in seen if array is not None]
        return found if len(found) == len(seen) else None

    def absorb(self, other: Group, inputs: Sequence[NDArray]) -> None:
        """Append another group's operations, whose inputs are given in this group's shape."""
        numbers = [
            self.input(array, rows=number in other.rows) for number, array in enumerate(inputs)
        ]
        start = len(self.operations)
        self.operations += [
            renumbered(operation, numbers.__getitem__, start.__add__)
            for operation in other.operations
        ]
        self.results += other.results
        self.last = max(self.last, other.last)

    def subexpression(
        self, value: int, shape: tuple[int, ...]
    ) -> tuple[Expression, list[NDArray]] | None:
        """Return the expression of one value, and its inputs in this shape.

        Return None if it uses TAKE, or if an input would have to be copied.
        """
        dtypes = [str(array.dtype) for array in self.inputs]
        expression, used = restricted(dtypes, self.operations, [value])
        inputs = all_in_shape([self.inputs[n] for n in used if n not in self.rows], shape)
        return (expression, inputs) if inputs and len(inputs) == len(used) else None

    def kernel(self) -> Kernel:
        """Return the kernel that computes all results."""
        dtypes = tuple(str(array.dtype) for array in self.inputs)
        spec = Expression(dtypes, tuple(self.operations), tuple(range(len(self.operations))))
        outputs = [row_major(result).reshape(self.shape) for result in self.results]
        return Kernel(spec, self.inputs, outputs)
