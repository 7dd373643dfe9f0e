"""Memory plan of kernels: where results are stored, so that a step allocates nothing.

The counterpart of `mnn_gpu.compiler.memory_plan` for devices, with the same rules: parts of a
concatenation are written directly to their place; outputs overwrite the inputs they replace,
unless the old value is read later; other results share buffers over time.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from mnn_gpu.compiler.cuda_graphs.expressions import Expression, cast_expression
from mnn_gpu.compiler.cuda_graphs.kernels import Concat, Kernel
from mnn_gpu.compiler.views import address, form, is_row_major, owner

NDArray: TypeAlias = npt.NDArray[Any]

LINE = 256
"""Bytes: buffer sizes are multiples of it, like CUDA's own allocations."""

MOST_UNSHARED = 1 << 26
"""Bytes: if all results together take no more, each has its own buffer, so that no kernel has to
wait until a buffer is free."""


class Location(NamedTuple):
    """Start of a view.

    Attributes
    ----------
    buffer : int or array
        Index of a buffer, or an existing array.
    offset : int
        Bytes from its first element.
    """

    buffer: int | NDArray
    offset: int


class MemoryPlan:
    """The memory of kernels.

    Parameters
    ----------
    kernels : sequence of Kernel and Concat
    outputs : sequence of array
        Results to keep.
    targets : sequence of array
        Destination of each output: inputs of the kernels.

    Attributes
    ----------
    kernels : list of Kernel
        Including copies of concatenated parts that are not in place, and of outputs that are
        not written to their targets directly.
    sizes : list of int
        Size of each buffer in bytes.
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
        self.kernels = [left for kernel in kernels for left in self._without_concat(kernel)]
        self.kernels += self._copies(outputs, targets)
        self._share_memory()

    def location(self, view: NDArray) -> Location:
        """Return the location of a view of a result or of an existing array."""
        whole, offset = self._whole(owner(view))
        offset += address(view) - address(owner(view))
        if id(whole) in self.target:
            return Location(self.target[id(whole)], offset)
        return Location(self.buffer.get(id(whole), whole), offset)

    def _whole(self, result: NDArray) -> tuple[NDArray, int]:
        """Return the result that contains another one, and the offset in it."""
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
        """Return the copies of outputs that are not written to their targets directly.

        Outputs that are existing arrays are first copied to temporary memory, since the copy
        of another output may overwrite them.
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
                first.append(_copy_kernel(output, source))
            then.append(_copy_kernel(source, target))
        return first + then

    # ---- allocation ------------------------------------------------------------------

    def _without_concat(self, kernel: Kernel | Concat) -> Iterator[Kernel]:
        """Yield a kernel, or the copies of the parts of a concatenation that are not in place."""
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
                yield _copy_kernel(part, location)

    def _share_memory(self) -> None:
        """Assign a buffer to every result, reusing buffers of results no longer needed."""
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
            # The inputs and outputs of a kernel must not share memory.
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


def _copy_kernel(source: NDArray, location: NDArray) -> Kernel:
    return Kernel(cast_expression(str(source.dtype), str(location.dtype)), [source], [location])


def _may_overwrite(target: NDArray, output: NDArray, kernels: Sequence[Kernel | Concat]) -> bool:
    """Return whether no kernel reads the target after the output is written to it."""
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
    """Return whether each entry of the target is only read to compute the same output entry."""
    if isinstance(kernel, Concat) or not isinstance(kernel.spec, Expression):
        return False
    rows = kernel.spec.rows_of
    return all(
        number not in rows and is_row_major(array, target)
        for number, array in enumerate(kernel.inputs)
        if owner(array) is target
    )
