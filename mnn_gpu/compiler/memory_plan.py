"""Memory plan of a tape: where each result is stored, so that a replay allocates nothing.

Three rules keep memory use and passes over memory small. The parts of a concatenation are
written directly to their place in its result. An elementwise result overwrites an argument
that is no longer needed. Outputs overwrite the inputs they replace (the old state), unless
the old value is read later.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from itertools import chain
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from mnn_gpu.compiler.buffers import assign_slots, copies, root, uses
from mnn_gpu.compiler.operations import DataMovement, Operation, aligned, into
from mnn_gpu.compiler.trace import Call
from mnn_gpu.compiler.views import address, is_row_major, owner

NDArray: TypeAlias = npt.NDArray[Any]


class MemoryPlan:
    """The memory of a tape's calls.

    Parameters
    ----------
    calls : sequence of Call
        As traced, each result in separate memory.
    outputs : sequence of array
        Results to keep.
    targets : sequence of array
        Destination of each output; these may be inputs of the calls.

    Attributes
    ----------
    last_copies : list of callable
        Operations to run after all calls.
    nbytes : int
        Bytes of the results that are not in targets.
    """

    def __init__(
        self, calls: Sequence[Call], outputs: Sequence[NDArray], targets: Sequence[NDArray]
    ) -> None:
        self.calls = calls
        self.index = {id(call.result): i for i, call in enumerate(calls)}
        # The arrays of each call, then the outputs.
        self.steps = [*map(_arrays, calls), outputs]
        self.workers = [*(call.worker for call in calls), 0]
        self.uses = uses(self.steps, {})
        self.old_reads = self._reads_of(targets)
        # Each result is stored in a target, or inside another result at an offset, or in
        # separate memory: the memory of its root.
        self.target: dict[int, NDArray] = {}
        self.inside: dict[int, tuple[int, int]] = {}
        self._put_outputs_on_targets(outputs, targets)
        for call in reversed(calls):
            if call.function is DataMovement.CONCAT:
                self._place_parts_in_concat(call)
            else:
                self._overwrite_argument(call)
        self.place = self._shared_memory()
        self.last_copies: list[Operation] = [
            partial(np.copyto, target, self._planned(source))
            for source, target in chain(*copies(outputs, targets, self.target))
        ]

    def bind(self, call: Call) -> Operation:
        """Return the call with its arguments and its result in planned memory."""
        arguments = [self._planned(a) if isinstance(a, np.ndarray) else a for a in call.arguments]
        return into(self._planned(call.result), call.function, tuple(arguments), call.options)

    def is_in_place(self, call: Call) -> bool:
        """Return whether all parts of a concatenation are written directly to its result."""
        return call.function is DataMovement.CONCAT and all(
            self.inside.get(id(owner(part))) == (id(call.result), offset)
            for part, offset in _parts(call)
        )

    # ---- reads -----------------------------------------------------------------------

    def _reads_of(self, targets: Sequence[NDArray]) -> dict[int, list[tuple[int, NDArray]]]:
        """Return the steps that read each target's old value, and what."""
        reads: dict[int, list[tuple[int, NDArray]]] = {id(target): [] for target in targets}
        for i, arrays in enumerate(self.steps):
            for array in arrays:
                if id(owner(array)) in reads:
                    reads[id(owner(array))].append((i, array))
        return reads

    def _may_write(self, result: NDArray, outer: int, offset: int) -> bool:
        """Return whether a result may be written here, which may be a target's memory.

        Allowed if the old contents are not read later, or by another worker.
        """
        if outer not in self.target:
            return True
        target = self.target[outer]
        i = self.index[id(result)]
        start = address(target) + offset
        for j, read in self.old_reads[id(target)]:
            low, high = np.lib.array_utils.byte_bounds(read)
            if low >= start + result.nbytes or high <= start:
                continue
            same = low == start and read.strides == result.strides and read.shape == result.shape
            if j > i or (j == i and not (same and _is_elementwise(self.calls[i]))):
                return False
            if j < i and 0 < self.calls[j].worker != self.calls[i].worker > 0:
                return False
        return True

    # ---- the three rules -------------------------------------------------------------

    def _put_outputs_on_targets(
        self, outputs: Sequence[NDArray], targets: Sequence[NDArray]
    ) -> None:
        for output, target in zip(outputs, targets, strict=True):
            fits = output.strides == target.strides and output.dtype == target.dtype
            if id(output) in self.index and id(output) not in self.target and fits:
                self.target[id(output)] = target
                if not self._may_write(output, id(output), 0):
                    del self.target[id(output)]

    def _place_parts_in_concat(self, call: Call) -> None:
        for part, offset in _parts(call):
            source = owner(part)
            # The whole may be overwritten before a part that is used longer.
            dies_here = self.uses[id(source)][-1] == self.index[id(call.result)]
            alike = part.dtype == call.result.dtype and is_row_major(part, source)
            if self._is_free(source) and alike and dies_here:
                self._put_inside(source, call.result, offset)

    def _overwrite_argument(self, call: Call) -> None:
        result = call.result
        if not _is_elementwise(call):
            return
        for argument in _arrays(call)[1:]:
            if (
                self._is_free(argument)
                and self.uses[id(argument)][-1] == self.index[id(result)]
                and self._is_used_by_one_worker(self.uses[id(argument)])
                and argument.strides == result.strides
                and argument.shape == result.shape
                and argument.nbytes == result.nbytes
                and self._put_inside(argument, result, 0)
            ):
                return

    def _is_used_by_one_worker(self, steps: Sequence[int]) -> bool:
        """Return whether the worker of the first step is also that of the last, with no other.

        Otherwise another worker may still be reading what these steps use.
        """
        worker = self.workers[steps[0]]
        return self.workers[steps[-1]] == worker and all(
            self.workers[step] in (0, worker) for step in steps
        )

    def _is_free(self, array: NDArray) -> bool:
        """Return whether this is a complete result without a place so far."""
        name = id(array)
        return name in self.index and name not in self.inside and name not in self.target

    def _put_inside(self, array: NDArray, whole: NDArray, offset: int) -> bool:
        outer, start = root(self.inside, id(whole))
        allowed = self._may_write(array, outer, start + offset)
        if allowed:
            self.inside[id(array)] = (id(whole), offset)
        return allowed

    # ---- allocation ------------------------------------------------------------------

    def _shared_memory(self) -> dict[int, NDArray]:
        """Return the memory of every root: its target, or memory shared with others over time.

        A worker only reuses what it freed itself, or what was freed outside the workers: another
        one may still have to read or overwrite the rest.
        """
        results = self.index.keys() - self.target.keys()
        lifetimes = {
            name: (at[0], at[-1] if self._is_used_by_one_worker(at) else len(self.calls))
            for name, at in uses(self.steps, self.inside).items()
            if name in results
        }
        sizes = {name: self.calls[self.index[name]].result.nbytes for name in results}
        pools = {name: self.workers[first] for name, (first, _) in lifetimes.items()}
        slots, slot_sizes = assign_slots(lifetimes, sizes, pools)
        self.nbytes = sum(slot_sizes)
        memory = [aligned((size,), np.uint8) for size in slot_sizes]
        return self.target | {name: memory[slot] for name, slot in slots.items()}

    def _planned(self, array: NDArray) -> NDArray:
        """Return the same view in planned memory; arrays that are no results are unchanged."""
        source = owner(array)
        if id(source) not in self.index:
            return array
        outer, start = root(self.inside, id(source))
        offset = start + address(array) - address(source)
        raw = self.place[outer].reshape(-1).view(np.uint8)
        return np.ndarray(array.shape, array.dtype, raw, offset, array.strides)


def _arrays(call: Call) -> list[NDArray]:
    """Return the result, then the arguments that are arrays."""
    return [call.result, *(a for a in call.arguments if isinstance(a, np.ndarray))]


def _parts(join: Call) -> Iterator[tuple[NDArray, int]]:
    """Yield the parts of a concatenation and their offsets in its result."""
    offset = 0
    for part in join.arguments:
        yield part, offset
        offset += part.size * join.result.itemsize


def _is_elementwise(call: Call) -> bool:
    return isinstance(call.function, np.ufunc) and call.function.signature is None
