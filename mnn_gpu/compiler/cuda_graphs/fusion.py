"""Fusion of a tape's operations to few kernels.

Launching a kernel takes a few microseconds, however little it does, and each intermediate array
is written to and read from memory. So elementwise operations of equal size are collected in a
group until another operation needs one of their results, and become one kernel; a reduction also
computes its own input while the group is open. Nothing is computed here, and no device is
involved: a tape's arrays only give shapes, strides and memory ownership.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from mnn_gpu.compiler.cuda_graphs.expressions import (
    CAST,
    TAKE,
    Expression,
    Number,
    Operand,
    Operation,
    Value,
    cast_expression,
    converted,
    restricted,
)
from mnn_gpu.compiler.cuda_graphs.fusion_groups import Group
from mnn_gpu.compiler.cuda_graphs.kernels import (
    Concat,
    Kernel,
    KernelSpec,
    Product,
    Reduction,
    SmallMatmulRows,
    SmallMatmulSlices,
    stages,
)
from mnn_gpu.compiler.cuda_graphs.split_k import cut, parts_of, small_matmul_of
from mnn_gpu.compiler.operations import REDUCTIONS, DataMovement, ExternalCall
from mnn_gpu.compiler.trace import Call
from mnn_gpu.compiler.views import all_in_shape, is_row_major, order, owner, reshaped, row_major

NDArray: TypeAlias = npt.NDArray[Any]

MOST_INPUTS, MOST_LARGE_INPUTS = 24, 8
"""Inputs of a group: all must be kept until it is done, and kernels have a limit of arguments."""
LARGE = 1 << 18
"""Number of entries from which the second limit applies."""
MOST_ADDED = 16
"""Parts of a product that an elementwise kernel sums; more become a reduction."""


def fuse(calls: Iterable[Call], outputs: Sequence[NDArray]) -> list[Kernel | Concat]:
    """Return the kernels that compute the outputs of a tape, in order.

    Raises
    ------
    NotImplementedError
        If a call has no counterpart on a device.
    """
    fusion = _Fusion()
    for index, call in enumerate(calls):
        fusion.add(index, call)
    return _eliminate_dead_code(fusion.kernels(), outputs)


def _eliminate_dead_code(
    kernels: Sequence[Kernel | Concat], outputs: Sequence[NDArray]
) -> list[Kernel | Concat]:
    """Drop kernels that no output depends on, and results that are never read."""
    needed = {id(owner(output)) for output in outputs}
    kept: list[Kernel | Concat] = []
    for kernel in reversed(kernels):
        results = [output for output in kernel.outputs if id(owner(output)) in needed]
        if not results:
            continue
        left = kernel
        if isinstance(kernel, Kernel) and isinstance(kernel.spec, Expression):
            inputs, operations, _ = kernel.spec
            pairs = zip(kernel.spec.outputs, kernel.outputs, strict=True)
            values = [n for n, output in pairs if id(owner(output)) in needed]
            spec, used = restricted(inputs, operations, values)
            left = Kernel(spec, [kernel.inputs[n] for n in used], results)
        kept.append(left)
        needed |= {id(owner(array)) for array in left.inputs}
    return kept[::-1]


class _Fusion:
    """Turns calls into kernels."""

    def __init__(self) -> None:
        self.groups: list[Group] = []
        self.producers: dict[int, tuple[Group, int]] = {}
        self.others: list[tuple[int, Kernel | Concat]] = []

    def add(self, index: int, call: Call) -> None:
        """Add the next call of the tape."""
        function = call.function
        if not call.result.size:
            return  # For example a rank without rows of a small batch.
        if function is not DataMovement.CONCAT and not all(a.size for a in _arrays(call.arguments)):
            raise NotImplementedError("operations on empty arrays are not supported")
        if function is np.dot:
            self._add_product(index, call)
        elif isinstance(function, ExternalCall):
            # Kernels must not extend across an exchange. So operations that all ranks have in
            # common after it are fused to the same kernels on each.
            for group in self.groups:
                group.is_open = False
            self.others.append((index, Kernel(function, call.arguments, [call.result])))
        elif function is DataMovement.CONCAT:
            self._add_other(index, Concat(call.arguments, [call.result]))
        elif function in REDUCTIONS:
            self.others += [(index, stage) for stage in self._reduction_kernels(call)]
        else:
            self._add_elementwise(index, call)

    def kernels(self) -> list[Kernel | Concat]:
        """Return all kernels in an order in which they can run.

        A group runs at its last call: its inputs are available then, and its results are
        not read earlier.
        """
        groups = [(group.last, group.kernel()) for group in self.groups]
        # Kernels without a group come first: if a call becomes several, groups read the others.
        return [kernel for _, kernel in sorted([*self.others, *groups], key=lambda pair: pair[0])]

    def _add_other(self, index: int, kernel: Kernel | Concat) -> None:
        for array in kernel.inputs:
            self._close(array)
        self.others.append((index, kernel))

    def _add_product(self, index: int, call: Call) -> None:
        A, B = call.arguments
        if not A.dtype == B.dtype == call.result.dtype:
            raise NotImplementedError("a product of operands of different dtypes")
        spec, inputs, parts = _product_kernel(call)
        if parts == 1:
            self._add_other(index, Kernel(spec, inputs, [call.result]))
            return
        sums = np.empty((parts, *call.result.shape), call.result.dtype)
        self._add_other(index, Kernel(spec, inputs, [sums]))
        if parts > MOST_ADDED:
            whole = Reduction(cast_expression(str(sums.dtype)), "add", (0,))
            self.others.append((index, Kernel(whole, [sums], [call.result])))
            return
        # Added one by one, as part of the operation that uses the result.
        total = sums[0]
        for part in range(1, parts):
            result = call.result if part == parts - 1 else np.empty_like(total)
            one = call._replace(function=np.add, arguments=(total, sums[part]), options={})
            self._add_elementwise(index, one._replace(result=result))
            total = result

    def _value(self, view: NDArray) -> tuple[Group, int] | None:
        """Return the open group and the index of the result that this view shows entirely."""
        whole = owner(view)
        if id(whole) not in self.producers or not is_row_major(view, whole):
            return None
        group, number = self.producers[id(whole)]
        return (group, number) if group.is_open else None

    def _close(self, array: NDArray) -> None:
        """Close the group that makes this array, so that it runs before the next call."""
        if id(owner(array)) in self.producers:
            self.producers[id(owner(array))][0].is_open = False

    # ---- elementwise -----------------------------------------------------------------

    def _add_elementwise(self, index: int, call: Call) -> None:
        operands = _operands(call)
        for array in _arrays(operands):
            if self._value(array) is None:
                self._close(array)
        rows, width = _take_source(call)
        if rows is not None:
            self._close(rows)
        group = self._group_for(operands, row_major(call.result).shape, separate=rows is not None)
        numbers = [self._operand(group, operand) for operand in operands]
        if rows is not None:
            numbers = [group.input(rows, rows=True), *numbers, Number(str(width))]
        name, computed_in = _name_and_dtypes(call)
        operation = Operation(name, tuple(numbers), computed_in, str(call.result.dtype))
        self.producers[id(call.result)] = group, len(group.operations)
        group.operations.append(operation)
        group.results.append(call.result)
        group.last = index

    def _operand(self, group: Group, operand: Any) -> Operand:
        if not isinstance(operand, np.ndarray):
            return Number(_literal(operand))
        found = self._value(operand)
        if found is not None and found[0] is group:
            return Value(found[1])
        return group.input(reshaped(operand, group.shape))

    def _group_for(
        self, operands: Sequence[Any], shape: tuple[int, ...], *, separate: bool
    ) -> Group:
        """Return the group for an operation on these operands: existing, merged or new."""
        found = [self._value(array) for array in _arrays(operands)]
        groups = list({id(value[0]): value[0] for value in found if value is not None}.values())
        if not groups and not shape and not separate:
            # Scalar operations are so cheap that unrelated ones share a kernel.
            groups = [group for group in self.groups if group.is_open and not group.shape][:1]
        while groups:
            merged = self._merge(groups, operands, shape)
            if merged is not None:
                return merged
            groups.pop().is_open = False
        self.groups.append(Group(shape))
        return self.groups[-1]

    def _merge(
        self, groups: Sequence[Group], operands: Sequence[Any], shape: tuple[int, ...]
    ) -> Group | None:
        """Merge groups in a shape to which all their inputs can be reshaped, if there is one."""
        others = [array for array in _arrays(operands) if self._value(array) is None]
        most = MOST_INPUTS if math.prod(shape) < LARGE else MOST_LARGE_INPUTS
        if sum(len(group.inputs) for group in groups) + len(others) > most:
            return None
        shapes = {group.shape for group in groups} | {shape}
        for common in sorted(shapes, key=len, reverse=True):
            inputs = [seen for group in groups if (seen := group.inputs_in(common)) is not None]
            if len(inputs) == len(groups) and all_in_shape(others, common) is not None:
                return self._merge_all(groups, inputs, common)
        return None

    def _merge_all(
        self, groups: Sequence[Group], inputs: Sequence[Sequence[NDArray]], shape: tuple[int, ...]
    ) -> Group:
        if len(groups) == 1 and groups[0].shape == shape:
            return groups[0]
        whole = Group(shape)
        for group, seen in zip(groups, inputs, strict=True):
            whole.absorb(group, seen)
        self.groups = [group for group in self.groups if group not in groups]
        self.groups.append(whole)
        for number, result in enumerate(whole.results):
            self.producers[id(result)] = whole, number
        return whole

    # ---- reductions ------------------------------------------------------------------

    def _reduction_kernels(self, call: Call) -> list[Kernel]:
        x, axis = call.arguments[0], call.options["axis"]
        axes = order(x)
        reduced = {a % x.ndim for a in ((axis,) if isinstance(axis, int) else axis)}
        kept = [a for a in range(x.ndim) if a not in reduced]
        output = call.result.reshape([x.shape[a] for a in kept])
        output = output.transpose([kept.index(a) for a in axes if a not in reduced])
        expression, inputs = self._expression_of(x.transpose(axes))
        spec = Reduction(
            converted(expression, str(output.dtype)),
            "add" if call.function == np.add.reduce else "maximum",
            tuple(place for place, a in enumerate(axes) if a in reduced),
        )
        return stages(spec, inputs, output)

    def _expression_of(self, view: NDArray) -> tuple[Expression, Sequence[NDArray]]:
        """Return the expression and the inputs that compute this view."""
        found = self._value(view)
        if found is not None:
            group, number = found
            subexpression = group.subexpression(number, view.shape)
            if subexpression is not None:
                return subexpression
        self._close(view)
        return cast_expression(str(view.dtype)), [view]


# ---- calls -----------------------------------------------------------------------------


def _product_kernel(call: Call) -> tuple[KernelSpec, Sequence[NDArray], int]:
    """Return the kernel of a product, its inputs, and the number of parts to be summed."""
    A, B = call.arguments
    of_few_rows = None if call.options else small_matmul_of(A, B)
    if isinstance(of_few_rows, SmallMatmulRows):
        return of_few_rows, [A, B], 1
    if isinstance(of_few_rows, SmallMatmulSlices):
        return of_few_rows, [A, B], -(-of_few_rows.inner // of_few_rows.slice)
    parts = parts_of(A.shape[0], A.shape[1], B.shape[1])
    return Product(**call.options), [A, B] if parts == 1 else cut(A, B, parts), parts


def _name_and_dtypes(call: Call) -> tuple[str, tuple[str, ...]]:
    """Return an elementwise call's name and the dtypes to which its operands are converted."""
    if call.function is DataMovement.TAKE:
        return TAKE, ()
    if call.function is DataMovement.COPY:
        return CAST, (str(call.result.dtype),)
    function: Any = call.function
    kinds = tuple(a.dtype if hasattr(a, "dtype") else type(a) for a in call.arguments)
    *dtypes, _ = function.resolve_dtypes((*kinds, None))
    return function.__name__, tuple(str(dtype) for dtype in dtypes)


def _operands(call: Call) -> list[Any]:
    """Return the operands broadcast to a call's result and transposed to its memory order."""
    result, arguments = call.result, call.arguments
    if call.function is DataMovement.TAKE:
        x, rows = arguments
        arguments = (rows.reshape(rows.shape + (1,) * (x.ndim - 1)),)
    axes = order(result)
    return [
        np.broadcast_to(a, result.shape).transpose(axes) if isinstance(a, np.ndarray) else a
        for a in arguments
    ]


def _take_source(call: Call) -> tuple[NDArray | None, int]:
    """Return the array that TAKE takes rows of, as a vector, and their width."""
    if call.function is not DataMovement.TAKE:
        return None, 0
    x = call.arguments[0]
    if call.options["axis"] != 0 or not x.flags.c_contiguous:
        raise NotImplementedError("rows can only be taken from row-major arrays")
    return x.reshape(-1), x[:1].size


def _arrays(operands: Iterable[Any]) -> list[NDArray]:
    return [operand for operand in operands if isinstance(operand, np.ndarray)]


def _literal(number: Any) -> str:
    value = number.item() if hasattr(number, "item") else number
    if not np.isfinite(value):
        raise NotImplementedError(f"kernels do not support the constant {value}")
    return repr(value)
