"""Fusion of operations that act on each column (sample) separately into one kernel.

After a network's last layers there is little to compute for each sample, in many steps: ten
sums, their maximum, exponentials, their sum, a loss, a gradient. Each step would be a kernel of
a microsecond or two whose results the next one reads. But columns are independent, so one kernel
can do it all, with a thread per column: elementwise operations, sums over the rows, and products
with small matrices from the left. This is a graph partition: find connected components of such
kernels, and fuse each.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Sequence
from typing import Any, NamedTuple, TypeAlias

import numpy.typing as npt

from mnn_gpu.compiler.cuda_graphs.expressions import (
    TAKE,
    Expression,
    Input,
    Number,
    Operation,
    Value,
    renumbered,
)
from mnn_gpu.compiler.cuda_graphs.kernels import (
    ColumnProduct,
    ColumnReduction,
    Columns,
    Concat,
    InputLayout,
    Kernel,
    Product,
    Reduction,
)
from mnn_gpu.compiler.views import is_row_major, is_same, owner

NDArray: TypeAlias = npt.NDArray[Any]

MOST_ROWS = 64
"""Maximum number of values a thread has of each result."""
MOST_KERNELS = 24
"""A batch of many microbatches would make a kernel that takes minutes to compile."""
MOST_WORK = 2048
"""Operations of a thread for a column: all multiplications of products, and the rows of each other
operation. The time to compile and the time to run grow with it."""
MOST_KEPT = 256
"""Values that a later operation reads: beyond about 200 registers they spill to memory."""
MOST_OF_A_PRODUCT = 1024
MOST_INNER = 128
"""Entries of a matrix, and entries in a row: each is one multiplication of a thread, and larger
products are better distributed over several threads."""


Work: TypeAlias = Kernel | Concat


class _Node(NamedTuple):
    """A kernel, with properties that are needed repeatedly.

    Attributes
    ----------
    kernel : Kernel or Concat
    columns : int or None
        See `_column_count`.
    sources : set of int
        Identities of the owners of its inputs.
    results : dict of int to int
        Identities of the owners of its outputs, and the number of rows of each.
    """

    kernel: Work
    columns: int | None
    sources: set[int]
    results: dict[int, int]


def _node(kernel: Work) -> _Node:
    sources = {id(owner(array)) for array in kernel.inputs}
    results = {id(owner(array)): _rows(array.shape) for array in kernel.outputs}
    return _Node(kernel, _column_count(kernel), sources, results)


class _Budget:
    """Size of a fused kernel, limited by the constants above."""

    def __init__(self) -> None:
        self.kernels = self.work = 0
        self.produced: dict[int, int] = {}
        self.kept: set[int] = set()

    def admits(self, node: _Node) -> bool:
        """Add a kernel if it fits; return whether it did."""
        work = self.work + _work(node.kernel)
        kept = self.kept | (node.sources & self.produced.keys())
        is_full = self.kernels == MOST_KERNELS or work > MOST_WORK
        if is_full or sum(self.produced[result] for result in kept) > MOST_KEPT:
            return False
        self.kernels, self.work, self.kept = self.kernels + 1, work, kept
        self.produced |= node.results
        return True


def fuse_columns(kernels: Sequence[Work], needed_outside: Sequence[NDArray]) -> list[Work]:
    """Return the kernels after fusing those that act on each column separately.

    Parameters
    ----------
    kernels : sequence of Kernel and Concat
    needed_outside : sequence of array
        Results that are needed other than by kernels.
    """
    nodes = [_node(kernel) for kernel in kernels]
    needed = {id(owner(array)) for array in needed_outside}
    while True:
        sizes = Counter(node.columns for node in nodes if node.columns is not None)
        ((columns, count),) = sizes.most_common(1) or [(0, 0)]
        if count < 2:
            return [node.kernel for node in nodes]
        members, _ = _partition(nodes, columns, None)
        # Members of other components would only have to wait.
        component = {id(node) for node in _largest_component(members)}
        members, after = _partition(nodes, columns, component)
        if len(members) > 1:
            nodes = _replace_with_fused(nodes, members, after, columns, needed)
        else:
            single = {id(node) for node in members}
            nodes = [node._replace(columns=None) if id(node) in single else node for node in nodes]


def _partition(
    nodes: Sequence[_Node], columns: int, component: set[int] | None
) -> tuple[list[_Node], list[_Node]]:
    """Return the members of the fused kernel, and the kernels that must come after it."""
    members: list[_Node] = []
    after: list[_Node] = []
    budget = _Budget()
    made_after: set[int] = set()
    for node in nodes:
        fits = node.columns == columns and (component is None or id(node) in component)
        fits = fits and not node.sources & made_after and _reads_whole(node.kernel, budget.produced)
        if fits and budget.admits(node):
            members.append(node)
        elif node.sources & (budget.produced.keys() | made_after):
            after.append(node)
            made_after |= node.results.keys()
    return members, after


def _largest_component(nodes: Sequence[_Node]) -> list[_Node]:
    """Return the largest set of kernels that are connected by each other's results."""
    components: list[tuple[set[int], list[_Node]]] = []
    for node in nodes:
        joined = [component for component in components if component[0] & node.sources]
        components = [component for component in components if not component[0] & node.sources]
        results = set(node.results).union(*(produced for produced, _ in joined))
        components.append((results, [*(other for _, others in joined for other in others), node]))
    return max((members for _, members in components), key=len, default=[])


def _replace_with_fused(
    nodes: Sequence[_Node],
    members: Sequence[_Node],
    after: Sequence[_Node],
    columns: int,
    needed_outside: set[int],
) -> list[_Node]:
    """Return the nodes with the members replaced by one, at the position of the last."""
    inner, late = {id(node) for node in members}, {id(node) for node in after}
    needed = needed_outside.union(*(node.sources for node in nodes if id(node) not in inner))
    kernels = [node.kernel for node in members if isinstance(node.kernel, Kernel)]
    fused = _node(_ColumnsBuilder(columns).fuse(kernels, needed))
    # Not earlier, so that results are not kept longer than necessary.
    position = max(number for number, node in enumerate(nodes) if id(node) in inner)
    outside = [node for node in nodes[:position] if id(node) not in inner]
    before = [node for node in outside if id(node) not in late]
    waiting = [node for node in outside if id(node) in late]
    return [*before, fused, *waiting, *nodes[position + 1 :]]


def _column_count(kernel: Work) -> int | None:
    """Return the number of columns of a kernel, None if it does not act on columns."""
    if isinstance(kernel, Concat):
        return None
    spec = kernel.spec
    if isinstance(spec, Expression):
        shapes = {output.shape for output in kernel.outputs}
        takes_rows = any(o.name == TAKE and o.operands[-1] != Number("1") for o in spec.operations)
        (shape,) = shapes if len(shapes) == 1 else ((),)
        fits = (
            _has_few_rows(shape)
            and not takes_rows
            and all(o.flags.c_contiguous for o in kernel.outputs)
        )
        return shape[-1] if fits else None
    if isinstance(spec, Reduction):
        shape = kernel.inputs[0].shape
        return shape[-1] if spec.axes == (0,) and len(shape) == 2 and _has_few_rows(shape) else None
    if isinstance(spec, Product):
        A, B = kernel.inputs
        fits = A.ndim == 2 and spec.bits is None and _has_few_rows(kernel.outputs[0].shape)
        fits = fits and A.size <= MOST_OF_A_PRODUCT and A.shape[1] <= MOST_INNER
        return B.shape[1] if fits else None
    return None


def _has_few_rows(shape: tuple[int, ...]) -> bool:
    return len(shape) == 1 or (len(shape) == 2 and shape[0] <= MOST_ROWS)


def _rows(shape: tuple[int, ...]) -> int:
    return shape[0] if len(shape) == 2 else 1


def _work(kernel: Work) -> int:
    """Return the number of operations of a thread for one column of a kernel."""
    spec = kernel.spec if isinstance(kernel, Kernel) else None
    if isinstance(spec, Product):
        return kernel.inputs[0].size
    expression = spec.expression if isinstance(spec, Reduction) else spec
    operations = len(expression.operations) if isinstance(expression, Expression) else 0
    return operations * max(_rows(array.shape) for array in (*kernel.inputs, *kernel.outputs))


def _reads_whole(kernel: Work, produced: Container[int]) -> bool:
    """Return whether the kernel reads all results of the fused kernel as whole columns."""
    spec = kernel.spec if isinstance(kernel, Kernel) else None
    matrices = kernel.inputs[:1] if isinstance(spec, Product) else []
    rows = spec.rows_of if isinstance(spec, Expression) else frozenset()
    whole_only = [*matrices, *(kernel.inputs[n] for n in rows)]
    if any(id(owner(array)) in produced for array in whole_only):
        return False
    return all(_is_column(array) for array in kernel.inputs if id(owner(array)) in produced)


def _is_column(view: NDArray) -> bool:
    """Return whether a view is a whole result in memory order, or its one row broadcast."""
    return is_row_major(_one_row(view), owner(view))


def _one_row(view: NDArray) -> NDArray:
    return view[0] if view.ndim == 2 and view.strides[0] == 0 and view.shape[0] > 1 else view


class _ColumnsBuilder:
    """Builds a `Columns` kernel."""

    def __init__(self, columns: int) -> None:
        self.columns = columns
        self.arrays: list[NDArray] = []
        self.layouts: list[InputLayout] = []
        self.operations: list[Operation | ColumnProduct | ColumnReduction] = []
        self.rows: list[int] = []
        self.produced: dict[int, int] = {}

    def fuse(self, kernels: Sequence[Kernel], needed: set[int]) -> Kernel:
        """Return one kernel equivalent to these; it writes only the results that are needed."""
        outputs: list[tuple[int, NDArray]] = []
        for kernel in kernels:
            values = self._done(kernel)
            for value, output in zip(values, kernel.outputs, strict=True):
                self.produced[id(owner(output))] = value
                if id(owner(output)) in needed:
                    outputs.append((value, output))
        spec = Columns(
            self.columns,
            tuple(self.layouts),
            tuple(self.operations),
            tuple(self.rows),
            tuple(value for value, _ in outputs),
        )
        return Kernel(spec, self.arrays, [output for _, output in outputs])

    def _done(self, kernel: Kernel) -> list[int]:
        """Append a kernel's operations; return the values of its outputs."""
        spec = kernel.spec
        if isinstance(spec, Product):
            A, B = kernel.inputs
            dtype = str(kernel.outputs[0].dtype)
            product = ColumnProduct(
                self._input(A), (A.shape[0], A.shape[1]), self._operand(B), dtype
            )
            return [self._add(product, A.shape[0])]
        if isinstance(spec, Reduction):
            (value,) = self._computed(spec.expression, kernel.inputs)
            rows, dtype = kernel.inputs[0].shape[0], str(kernel.outputs[0].dtype)
            return [self._add(ColumnReduction(spec.function, Value(value), rows, dtype), 1)]
        return self._computed(spec, kernel.inputs) if isinstance(spec, Expression) else []

    def _computed(self, expression: Expression, inputs: Sequence[NDArray]) -> list[int]:
        whole = expression.rows_of
        shape = next(a.shape for n, a in enumerate(inputs) if n not in whole)
        rows = shape[0] if len(shape) == 2 else 1
        operands = [
            self._input(array) if number in whole else self._operand(array)
            for number, array in enumerate(inputs)
        ]
        start = len(self.operations)
        for operation in expression.operations:
            self._add(renumbered(operation, operands.__getitem__, start.__add__), rows)
        return [start + value for value in expression.outputs]

    def _add(self, operation: Operation | ColumnProduct | ColumnReduction, rows: int) -> int:
        self.operations.append(operation)
        self.rows.append(rows)
        return len(self.operations) - 1

    def _operand(self, array: NDArray) -> Input | Value:
        if id(owner(array)) in self.produced:
            return Value(self.produced[id(owner(array))])
        return self._input(array)

    def _input(self, array: NDArray) -> Input:
        for number, known in enumerate(self.arrays):
            if is_same(known, array):
                return Input(number)
        size = array.itemsize
        row_stride = array.strides[0] // size if array.ndim == 2 else 0
        self.arrays.append(array)
        self.layouts.append(InputLayout(str(array.dtype), row_stride, array.strides[-1] // size))
        return Input(len(self.arrays) - 1)
