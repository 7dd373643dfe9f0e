"""Memory plan of kernels: where results are stored, so that a step allocates nothing.

The counterpart of `mnn_gpu.compiler.memory_plan` for devices, with the same rules, except that
kernels never overwrite their arguments other than the old state.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple, TypeAlias

import numpy.typing as npt

from mnn_gpu.compiler.buffers import assign_slots, copies, root, uses
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
        self.inside: dict[int, tuple[int, int]] = {}
        self.target: dict[int, NDArray] = {}
        results = [owner(output) for kernel in kernels for output in kernel.outputs]
        self.made = {id(result): result.nbytes for result in results}
        self._put_outputs_on_targets(kernels, outputs, targets)
        self.kernels = [left for kernel in kernels for left in self._without_concat(kernel)]
        first, then = copies(outputs, targets, self.target)
        self.made |= {id(copy): copy.nbytes for _, copy in first}
        self.kernels += [_copy_kernel(source, target) for source, target in first + then]
        self.buffer, self.sizes = self._shared_buffers()

    def location(self, view: NDArray) -> Location:
        """Return the location of a view of a result or of an existing array."""
        source = owner(view)
        outer, start = root(self.inside, id(source))
        buffer = self.target.get(outer, self.buffer.get(outer, source))
        return Location(buffer, start + address(view) - address(source))

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
                self.inside[id(source)] = id(whole), address(location) - address(whole)
            elif part.size:
                yield _copy_kernel(part, location)

    def _shared_buffers(self) -> tuple[dict[int, int], list[int]]:
        """Return the buffer of every result that is not in a target, and the buffers' sizes."""
        steps = [(*kernel.outputs, *kernel.inputs) for kernel in self.kernels]
        results = self.made.keys() - self.target.keys()
        used = {n: at for n, at in uses(steps, self.inside).items() if n in results}
        sizes = {name: -(-self.made[name] // LINE) * LINE for name in used}
        end = len(steps) if sum(sizes.values()) <= MOST_UNSHARED else 0
        lifetimes = {name: (at[0], max(at[-1], end)) for name, at in used.items()}
        return assign_slots(lifetimes, sizes, dict.fromkeys(sizes, 0))


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
