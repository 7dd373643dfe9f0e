"""What is done sample by sample as one launch: a thread takes a column through all of it.

Behind a network's last layers there is little to compute for each sample, in many steps: ten
sums, the largest of them, exponentials, their sum, a loss, a gradient. Each of these is a launch
of a microsecond or two, whose results the next one reads. But the columns do not depend on each
other, so one launch can do it all: elementwise operations, sums over the rows, and products with
small matrices from the left.
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
from mnn_gpu.compiler.cuda_graphs.launches import (
    Columns,
    Concat,
    Folded,
    Launch,
    Lying,
    Matrix,
    Product,
    Reduction,
)
from mnn_gpu.compiler.views import is_row_major, is_same, owner

NDArray: TypeAlias = npt.NDArray[Any]

MOST_ROWS = 64
"""So many numbers a thread may have of each result."""
MOST_LAUNCHES = 24
"""A batch in many shards would make a kernel that takes minutes to compile."""
MOST_WORK = 2048
"""Operations of a thread for a column: all multiplications of products, and the rows of each other
operation. The compiler's time grows with them, and so does the thread's."""
MOST_KEPT = 256
"""Numbers of results that a later operation reads: beyond some 200 registers they go to memory."""
MOST_OF_A_PRODUCT = 1024
MOST_INNER = 128
"""Entries of a matrix, and how many in a row: each is a thread's multiplication, and products with
larger ones are better spread over several."""


Work: TypeAlias = Launch | Concat


class _Known(NamedTuple):
    """A launch, with what is asked of it again and again.

    Attributes
    ----------
    launch : Launch or Concat
    columns : int or None
        See `_columns_of`.
    sources : set of int
        What it reads, by the identity of its owner.
    results : dict of int to int
        What it makes, and the rows of each.
    """

    launch: Work
    columns: int | None
    sources: set[int]
    results: dict[int, int]


def _known(launch: Work) -> _Known:
    sources = {id(owner(array)) for array in launch.inputs}
    results = {id(owner(array)): _rows(array.shape) for array in launch.outputs}
    return _Known(launch, _columns_of(launch), sources, results)


class _Room:
    """What one kernel takes in, within the bounds above."""

    def __init__(self) -> None:
        self.launches = self.work = 0
        self.made: dict[int, int] = {}
        self.kept: set[int] = set()

    def takes(self, one: _Known) -> bool:
        """Take a launch in, if there is room for it."""
        work = self.work + _work(one.launch)
        kept = self.kept | (one.sources & self.made.keys())
        is_full = self.launches == MOST_LAUNCHES or work > MOST_WORK
        if is_full or sum(self.made[result] for result in kept) > MOST_KEPT:
            return False
        self.launches, self.work, self.kept = self.launches + 1, work, kept
        self.made |= one.results
        return True


def fused_columns(launches: Sequence[Work], wanted: Sequence[NDArray]) -> list[Work]:
    """Return the launches, many of those that work column by column made one.

    Parameters
    ----------
    launches : sequence of Launch and Concat
    wanted : sequence of array
        Results that are needed besides by launches.
    """
    left = [_known(launch) for launch in launches]
    needed = {id(owner(array)) for array in wanted}
    while True:
        sizes = Counter(one.columns for one in left if one.columns is not None)
        ((columns, count),) = sizes.most_common(1) or [(0, 0)]
        if count < 2:
            return [one.launch for one in left]
        inside, _ = _parted(left, columns, None)
        # Other shards' would only be kept waiting.
        kin = {id(one) for one in _connected(inside)}
        inside, after = _parted(left, columns, kin)
        if len(inside) > 1:
            left = _with_one(left, inside, after, columns, needed)
        else:
            alone = {id(one) for one in inside}
            left = [one._replace(columns=None) if id(one) in alone else one for one in left]


def _parted(
    launches: Sequence[_Known], columns: int, among: set[int] | None
) -> tuple[list[_Known], list[_Known]]:
    """Return the launches that become one, and those that can only come after them."""
    inside: list[_Known] = []
    after: list[_Known] = []
    room = _Room()
    made_after: set[int] = set()
    for one in launches:
        fits = one.columns == columns and (among is None or id(one) in among)
        fits = fits and not one.sources & made_after and _reads_whole(one.launch, room.made)
        if fits and room.takes(one):
            inside.append(one)
        elif one.sources & (room.made.keys() | made_after):
            after.append(one)
            made_after |= one.results.keys()
    return inside, after


def _connected(launches: Sequence[_Known]) -> list[_Known]:
    """Return the most of the launches that all have to do with each other's results."""
    families: list[tuple[set[int], list[_Known]]] = []
    for one in launches:
        kin = [family for family in families if family[0] & one.sources]
        families = [family for family in families if not family[0] & one.sources]
        results = set(one.results).union(*(made for made, _ in kin))
        families.append((results, [*(other for _, others in kin for other in others), one]))
    return max((members for _, members in families), key=len, default=[])


def _with_one(
    launches: Sequence[_Known],
    inside: Sequence[_Known],
    after: Sequence[_Known],
    columns: int,
    wanted: set[int],
) -> list[_Known]:
    """Return the launches, those inside as one in the place of their last."""
    inner, late = {id(one) for one in inside}, {id(one) for one in after}
    needed = wanted.union(*(one.sources for one in launches if id(one) not in inner))
    members = [one.launch for one in inside if isinstance(one.launch, Launch)]
    whole = _known(_Builder(columns).whole(members, needed))
    # Not before the last, so that what they make is not kept longer than it must.
    place = max(number for number, one in enumerate(launches) if id(one) in inner)
    outside = [one for one in launches[:place] if id(one) not in inner]
    before = [one for one in outside if id(one) not in late]
    waiting = [one for one in outside if id(one) in late]
    return [*before, whole, *waiting, *launches[place + 1 :]]


def _columns_of(launch: Work) -> int | None:
    """Return how many columns a launch works on, None if it is none of this kind."""
    if isinstance(launch, Concat):
        return None
    what = launch.what
    if isinstance(what, Expression):
        shapes = {output.shape for output in launch.outputs}
        takes = any(o.name == TAKE and o.operands[-1] != Number("1") for o in what.operations)
        (shape,) = shapes if len(shapes) == 1 else ((),)
        fits = _is_thin(shape) and not takes and all(o.flags.c_contiguous for o in launch.outputs)
        return shape[-1] if fits else None
    if isinstance(what, Reduction):
        shape = launch.inputs[0].shape
        return shape[-1] if what.axes == (0,) and len(shape) == 2 and _is_thin(shape) else None
    if isinstance(what, Product):
        A, B = launch.inputs
        fits = A.ndim == 2 and what.bits is None and _is_thin(launch.outputs[0].shape)
        fits = fits and A.size <= MOST_OF_A_PRODUCT and A.shape[1] <= MOST_INNER
        return B.shape[1] if fits else None
    return None


def _is_thin(shape: tuple[int, ...]) -> bool:
    return len(shape) == 1 or (len(shape) == 2 and shape[0] <= MOST_ROWS)


def _rows(shape: tuple[int, ...]) -> int:
    return shape[0] if len(shape) == 2 else 1


def _work(launch: Work) -> int:
    """Return how many operations a thread has with a column of a launch of this kind."""
    what = launch.what if isinstance(launch, Launch) else None
    if isinstance(what, Product):
        return launch.inputs[0].size
    expression = what.expression if isinstance(what, Reduction) else what
    operations = len(expression.operations) if isinstance(expression, Expression) else 0
    return operations * max(_rows(array.shape) for array in (*launch.inputs, *launch.outputs))


def _reads_whole(launch: Work, made: Container[int]) -> bool:
    """Return whether all it reads of results made inside are columns, entry for entry."""
    what = launch.what if isinstance(launch, Launch) else None
    matrices = launch.inputs[:1] if isinstance(what, Product) else []
    rows = what.rows_of if isinstance(what, Expression) else frozenset()
    whole_only = [*matrices, *(launch.inputs[n] for n in rows)]
    if any(id(owner(array)) in made for array in whole_only):
        return False
    return all(_is_column(array) for array in launch.inputs if id(owner(array)) in made)


def _is_column(view: NDArray) -> bool:
    """Return whether a view shows a result as it lies, or its one row in place of several."""
    return is_row_major(_one_row(view), owner(view))


def _one_row(view: NDArray) -> NDArray:
    return view[0] if view.ndim == 2 and view.strides[0] == 0 and view.shape[0] > 1 else view


class _Builder:
    """A launch of columns in the making."""

    def __init__(self, columns: int) -> None:
        self.columns = columns
        self.arrays: list[NDArray] = []
        self.places: list[Lying] = []
        self.operations: list[Operation | Matrix | Folded] = []
        self.rows: list[int] = []
        self.made: dict[int, int] = {}

    def whole(self, launches: Sequence[Launch], needed: set[int]) -> Launch:
        """Return one launch that does what these do; what is needed outside is written."""
        outputs: list[tuple[int, NDArray]] = []
        for launch in launches:
            values = self._done(launch)
            for value, output in zip(values, launch.outputs, strict=True):
                self.made[id(owner(output))] = value
                if id(owner(output)) in needed:
                    outputs.append((value, output))
        what = Columns(
            self.columns,
            tuple(self.places),
            tuple(self.operations),
            tuple(self.rows),
            tuple(value for value, _ in outputs),
        )
        return Launch(what, self.arrays, [output for _, output in outputs])

    def _done(self, launch: Launch) -> list[int]:
        """Take over what a launch does; return the values of its outputs."""
        what = launch.what
        if isinstance(what, Product):
            A, B = launch.inputs
            dtype = str(launch.outputs[0].dtype)
            product = Matrix(self._input(A), (A.shape[0], A.shape[1]), self._operand(B), dtype)
            return [self._add(product, A.shape[0])]
        if isinstance(what, Reduction):
            (value,) = self._computed(what.expression, launch.inputs)
            rows, dtype = launch.inputs[0].shape[0], str(launch.outputs[0].dtype)
            return [self._add(Folded(what.function, Value(value), rows, dtype), 1)]
        return self._computed(what, launch.inputs) if isinstance(what, Expression) else []

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

    def _add(self, operation: Operation | Matrix | Folded, rows: int) -> int:
        self.operations.append(operation)
        self.rows.append(rows)
        return len(self.operations) - 1

    def _operand(self, array: NDArray) -> Input | Value:
        if id(owner(array)) in self.made:
            return Value(self.made[id(owner(array))])
        return self._input(array)

    def _input(self, array: NDArray) -> Input:
        for number, known in enumerate(self.arrays):
            if is_same(known, array):
                return Input(number)
        size = array.itemsize
        down = array.strides[0] // size if array.ndim == 2 else 0
        self.arrays.append(array)
        self.places.append(Lying(str(array.dtype), down, array.strides[-1] // size))
        return Input(len(self.arrays) - 1)
