"""Where the results of launches lie: laid out once, so that a step allocates nothing.

The counterpart for devices of `layout.py`, with its rules: what is joined is written where it
is going to be; outputs overwrite the inputs that they follow on, where nobody reads the old
value later; the rest shares memory in turn.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from mnn_gpu.compiler.cuda_graphs.expressions import Expression, as_it_is
from mnn_gpu.compiler.cuda_graphs.kernels import Concat, Kernel
from mnn_gpu.compiler.views import address, form, is_row_major, owner

NDArray: TypeAlias = npt.NDArray[Any]

LINE = 256
"""Bytes: pieces of memory are whole multiples of it, as CUDA's own are."""

MOST_UNSHARED = 1 << 26
"""Bytes: if all results together have no more, each has a place of its own, so that no launch
waits for a place to be free."""


class Location(NamedTuple):
    """Where something begins.

    Attributes
    ----------
    home : int or array
        The number of a piece of memory, or an array that was there from the start.
    offset : int
        Bytes from its first element.
    """

    buffer: int | NDArray
    offset: int


class MemoryPlan:
    """The memory of launches.

    Parameters
    ----------
    launches : sequence of Launch and Concat
    outputs : sequence of array
        Which results are wanted.
    targets : sequence of array
        Where each of them is to be written: inputs of the launches.

    Attributes
    ----------
    launches : list of Launch
        With copies for what is joined and does not lie together from the start, and for
        outputs that are not written to their targets at once.
    sizes : list of int
        How many bytes each piece of memory has.
    """

    def __init__(
        self,
        kernels: Sequence[Kernel | Concat],
        outputs: Sequence[NDArray],
        targets: Sequence[NDArray],
    ) -> None:
        self.inside: dict[int, tuple[NDArray, int]] = {}
        self.target: dict[int, NDArray] = {}
        self.buffer: dict[int, int] = {}
        self.sizes: list[int] = []
        self.made = {id(owner(output)) for kernel in kernels for output in kernel.outputs}
        self._put_outputs_on_targets(kernels, outputs, targets)
        self.kernels = [left for kernel in kernels for left in self._left_of(kernel)]
        self.kernels += self._copies(outputs, targets)
        self._share_memory()

    def location(self, view: NDArray) -> Location:
        """Return where a view of a result, or of an array from the start, begins."""
        whole, offset = self._whole(owner(view))
        offset += address(view) - address(owner(view))
        if id(whole) in self.target:
            return Location(self.target[id(whole)], offset)
        return Location(self.buffer.get(id(whole), whole), offset)

    def _whole(self, result: NDArray) -> tuple[NDArray, int]:
        """Return the result that another one lies inside of, and where."""
        offset = 0
        while id(result) in self.inside:
            result, start = self.inside[id(result)]
            offset += start
        return result, offset

    # ---- outputs ---------------------------------------------------------------------

    def _put_outputs_on_targets(
        self,
        kernels: Sequence[Kernel | Concat],
        outputs: Sequence[NDArray],
        targets: Sequence[NDArray],
    ) -> None:
        for output, target in zip(outputs, targets, strict=True):
            is_new = id(output) in self.made and id(output) not in self.target
            alike = form(output) == form(target)
            is_read = any(owner(other) is target for other in outputs)
            if is_new and alike and not is_read and _may_overwrite(target, output, kernels):
                self.target[id(output)] = target

    def _copies(self, outputs: Sequence[NDArray], targets: Sequence[NDArray]) -> list[Kernel]:
        """Return what brings those outputs to their targets that are not written there.

        Outputs that were there from the start are put aside first, since another output's
        copy may overwrite them.
        """
        first: list[Kernel] = []
        then: list[Kernel] = []
        for output, target in zip(outputs, targets, strict=True):
            if self.target.get(id(output)) is target or output is target:
                continue
            source = output
            if id(owner(output)) not in self.made:
                source = np.empty(output.shape, output.dtype)
                self.made.add(id(source))
                first.append(_copying(output, source))
            then.append(_copying(source, target))
        return first + then

    # ---- the rest --------------------------------------------------------------------

    def _left_of(self, kernel: Kernel | Concat) -> Iterator[Kernel]:
        """Yield a launch, or the copies of what can't lie at once where it is joined."""
        if isinstance(kernel, Kernel):
            yield kernel
            return
        (whole,) = kernel.outputs
        start = 0
        for part in kernel.inputs:
            source, location = owner(part), whole[start : start + len(part)]
            start += len(part)
            is_free = id(source) in self.made and id(source) not in {*self.inside, *self.target}
            if is_free and is_row_major(part, source) and part.dtype == whole.dtype:
                self.inside[id(source)] = whole, address(location) - address(whole)
            elif part.size:
                yield _copying(part, location)

    def _share_memory(self) -> None:
        """Give every result memory that nobody needs as long as it is needed."""
        first: dict[int, int] = {}
        last: dict[int, int] = {}
        sizes: dict[int, int] = {}
        for i, kernel in enumerate(self.kernels):
            for array in (*kernel.outputs, *kernel.inputs):
                whole, _ = self._whole(owner(array))
                if id(whole) in self.made and id(whole) not in self.target:
                    first.setdefault(id(whole), i)
                    last[id(whole)] = i
                    sizes[id(whole)] = -(-whole.nbytes // LINE) * LINE
        is_shared = sum(sizes.values()) > MOST_UNSHARED
        free: dict[int, list[int]] = {}
        begins: dict[int, list[int]] = {}
        ends: dict[int, list[int]] = {}
        for name in first:
            begins.setdefault(first[name], []).append(name)
            ends.setdefault(last[name], []).append(name)
        for i in range(len(self.kernels)):
            # What a launch reads must not lie where it writes something else.
            for name in begins.get(i, []):
                self.buffer[name] = self._buffer(sizes[name], free)
            for name in ends.get(i, []):
                if is_shared:
                    free.setdefault(sizes[name], []).append(self.buffer[name])

    def _buffer(self, size: int, free: dict[int, list[int]]) -> int:
        if free.get(size):
            return free[size].pop()
        self.sizes.append(size)
        return len(self.sizes) - 1


def _copying(source: NDArray, location: NDArray) -> Kernel:
    return Kernel(as_it_is(str(source.dtype), str(location.dtype)), [source], [location])


def _may_overwrite(target: NDArray, output: NDArray, kernels: Sequence[Kernel | Concat]) -> bool:
    """Return whether no launch reads the target once the output is written there."""
    is_written = False
    for kernel in kernels:
        writes = any(owner(result) is output for result in kernel.outputs)
        reads = any(owner(array) is target for array in kernel.inputs)
        if writes and isinstance(kernel, Concat):
            return False
        if reads and (is_written or (writes and not _reads_where_it_writes(kernel, target))):
            return False
        is_written = is_written or writes
    return True


def _reads_where_it_writes(kernel: Kernel | Concat, target: NDArray) -> bool:
    """Return whether each entry of the target is read for the same entry of the outputs alone."""
    if isinstance(kernel, Concat) or not isinstance(kernel.spec, Expression):
        return False
    rows = kernel.spec.rows_of
    return all(
        number not in rows and is_row_major(array, target)
        for number, array in enumerate(kernel.inputs)
        if owner(array) is target
    )
