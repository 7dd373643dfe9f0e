"""Memory plan of a tape: where each result is stored, so that a replay allocates nothing.

Three rules keep memory use and passes over memory small. The parts of a concatenation are
written directly to their place in its result. An elementwise result overwrites an argument
that is no longer needed. Outputs overwrite the inputs they replace (the old state), unless
the old value is read later.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from mnn_gpu.compiler.operations import DataMovement, Operation, aligned, into
from mnn_gpu.compiler.trace import Call
from mnn_gpu.compiler.views import address, owner

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
    """

    def __init__(
        self, calls: Sequence[Call], outputs: Sequence[NDArray], targets: Sequence[NDArray]
    ) -> None:
        self.calls = calls
        self.index = {id(call.result): i for i, call in enumerate(calls)}
        self.last_use = self._last_uses(outputs)
        self.workers_using = self._workers_using()
        self.old_reads = self._reads_of(targets, outputs)
        # Each result is stored in a target, or inside another result at an offset, or in
        # separate memory: the memory of its root.
        self.target: dict[int, NDArray] = {}
        self.inside: dict[int, tuple[int, int]] = {}
        self.place: dict[int, NDArray] = {}
        self._put_outputs_on_targets(outputs, targets)
        for call in reversed(calls):
            if call.function is DataMovement.CONCAT:
                self._place_parts_in_concat(call)
            else:
                self._overwrite_argument(call)
        self._share_memory()
        self.last_copies = self._copies(outputs, targets)

    def bind(self, call: Call) -> Operation:
        """Return the call with its arguments and its result in planned memory."""
        arguments = [self._planned(a) if isinstance(a, np.ndarray) else a for a in call.arguments]
        return into(self._planned(call.result), call.function, tuple(arguments), call.options)

    def is_in_place(self, call: Call) -> bool:
        """Return whether all parts of a concatenation are written directly to its result."""
        return call.function is DataMovement.CONCAT and all(
            self.inside.get(id(owner(part))) == (id(call.result), offset)
            and _covers(part, owner(part))
            for part, offset in _parts(call)
        )

    # ---- reads -----------------------------------------------------------------------

    def _last_uses(self, outputs: Sequence[NDArray]) -> dict[int, int]:
        last = {}
        for i, call in enumerate(self.calls):
            for array in _arrays(call):
                last[id(owner(array))] = i
        for output in outputs:
            last[id(owner(output))] = len(self.calls)
        return last

    def _workers_using(self) -> dict[int, set[int]]:
        workers: dict[int, set[int]] = {}
        for call in self.calls:
            for array in _arrays(call):
                workers.setdefault(id(owner(array)), set()).add(call.worker)
        return workers

    def _reads_of(
        self, targets: Sequence[NDArray], outputs: Sequence[NDArray]
    ) -> dict[int, list[tuple[int, NDArray]]]:
        """Return the calls that read each target's old value, and what; outputs read last."""
        reads: dict[int, list[tuple[int, NDArray]]] = {id(target): [] for target in targets}
        for i, call in enumerate(self.calls):
            for argument in _arrays(call)[1:]:
                if id(owner(argument)) in reads:
                    reads[id(owner(argument))].append((i, argument))
        for output in outputs:
            if id(owner(output)) in reads:
                reads[id(owner(output))].append((len(self.calls), output))
        return reads

    def _may_write(self, result: NDArray, root: int, offset: int) -> bool:
        """Return whether a result may be written here, which may be a target's memory.

        Allowed if the old contents are not read later, or by another worker.
        """
        if root not in self.target:
            return True
        target = self.target[root]
        i = self.index[id(result)]
        start = address(target) + offset
        for j, read in self.old_reads[id(target)]:
            low, high = _bounds(read)
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
            dies_here = self.last_use[id(source)] == self.index[id(call.result)]
            alike = part.dtype == call.result.dtype and _covers(part, source)
            if self._is_free(source) and alike and dies_here:
                self._put_inside(source, call.result, offset)

    def _overwrite_argument(self, call: Call) -> None:
        result = call.result
        if not _is_elementwise(call):
            return
        for argument in _arrays(call)[1:]:
            if (
                self._is_free(argument)
                and self.last_use[id(argument)] == self.index[id(result)]
                and self._is_used_in(call.worker, id(argument))
                and argument.strides == result.strides
                and argument.shape == result.shape
                and argument.nbytes == result.nbytes
                and self._put_inside(argument, result, 0)
            ):
                return

    def _is_used_in(self, worker: int, name: int) -> bool:
        """Return whether no other worker uses a result, or may still be reading it."""
        return (
            self.workers_using[name] <= {0, worker}
            and self.calls[self.index[name]].worker == worker
        )

    def _is_free(self, array: NDArray) -> bool:
        """Return whether this is a complete result without a place so far."""
        name = id(array)
        return name in self.index and name not in self.inside and name not in self.target

    def _put_inside(self, array: NDArray, whole: NDArray, offset: int) -> bool:
        root, start = self._root(id(whole))
        allowed = self._may_write(array, root, start + offset)
        if allowed:
            self.inside[id(array)] = (id(whole), offset)
        return allowed

    def _root(self, name: int) -> tuple[int, int]:
        """Return the result that contains another one, and the offset in it."""
        offset = 0
        while name in self.inside:
            name, start = self.inside[name]
            offset += start
        return name, offset

    # ---- allocation ------------------------------------------------------------------

    def _share_memory(self) -> None:
        """Assign memory to every root that is not a target, reusing memory that is free."""
        first: dict[int, int] = {}
        last: dict[int, int] = {}
        for i, call in enumerate(self.calls):
            for array in _arrays(call):
                if id(owner(array)) in self.index:
                    root, _ = self._root(id(owner(array)))
                    first.setdefault(root, i)
                    last[root] = max(last.get(root, i), self.last_use[id(owner(array))])
        workers: dict[int, set[int]] = {}
        for name in self.index:
            workers.setdefault(self._root(name)[0], set()).update(self.workers_using[name])
        starts: dict[int, list[int]] = {}
        ends: dict[int, list[int]] = {}
        for root in first:
            starts.setdefault(first[root], []).append(root)
            ends.setdefault(last[root], []).append(root)
        free: dict[tuple[int, int], list[NDArray]] = {}
        for i, call in enumerate(self.calls):
            for root in starts.get(i, []):
                if root in self.target:
                    self.place[root] = self.target[root]
                    continue
                size = self.calls[self.index[root]].result.nbytes
                # Another worker may still have to overwrite memory freed by this one.
                pool = free.get((call.worker, size)) or free.get((0, size))
                self.place[root] = pool.pop() if pool else aligned((size,), np.uint8)
            for root in ends.get(i, []):
                # Another worker may still be reading a result made outside the workers.
                alone = workers[root] <= {0, call.worker}
                if (
                    root not in self.target
                    and self.calls[first[root]].worker == call.worker
                    and alone
                ):
                    memory = self.place[root]
                    free.setdefault((call.worker, memory.nbytes), []).append(memory)

    def _copies(self, outputs: Sequence[NDArray], targets: Sequence[NDArray]) -> list[Operation]:
        """Return the copies of outputs that are not written to their targets directly.

        Outputs that are inputs are first copied to separate memory, since the copy of
        another output may overwrite them.
        """
        first: list[Operation] = []
        then: list[Operation] = []
        for output, target in zip(outputs, targets, strict=True):
            root, _ = self._root(id(owner(output)))
            if self.target.get(root) is target or output is target:
                continue
            source = self._planned(output)
            if id(owner(output)) in self.old_reads:
                aside = np.empty_like(source)
                first.append(partial(np.copyto, aside, source))
                source = aside
            then.append(partial(np.copyto, target, source))
        return first + then

    def _planned(self, array: NDArray) -> NDArray:
        """Return the same view in planned memory; arrays that are no results are unchanged."""
        source = owner(array)
        if id(source) not in self.index:
            return array
        root, start = self._root(id(source))
        offset = start + address(array) - address(source)
        raw = self.place[root].reshape(-1).view(np.uint8)
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


def _bounds(array: NDArray) -> tuple[int, int]:
    """Return the address of the first byte and the address after the last byte."""
    low, high = np.lib.array_utils.byte_bounds(array)
    return int(low), int(high)


def _is_elementwise(call: Call) -> bool:
    return isinstance(call.function, np.ufunc) and call.function.signature is None


def _covers(part: NDArray, whole: NDArray) -> bool:
    """Return whether a view covers a whole array in memory order."""
    return part.nbytes == whole.nbytes and part.flags.c_contiguous and whole.flags.c_contiguous
