"""`compile` for NumPy: a pure step is traced once and from then on replayed into fixed memory.

NumPy's counterpart of a captured CUDA graph. The arithmetic is the same calls in the same
order, with ``out=``: nothing is looked up, allocated or faulted in, vectors that would be
joined are written in place, and results reuse memory as soon as it is free. (Only thin
matrix products are done another way, see `Tape.matmul`, and may round otherwise.) The
state lives in two buffers by turns, so the one that went into a step is whole until the
next.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import groupby
from operator import itemgetter
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from mnn_gpu.backend.base import Step
from mnn_gpu.backend.trace import Call, Tape, concatenate

NDArray: TypeAlias = npt.NDArray[Any]
Tree: TypeAlias = Any
"""An array, None, or a (named) tuple of trees."""


class Replay:
    """A compiled step: ``(state, batches) -> state``; see `Backend.compile`.

    A state that it returned is overwritten by the second step after; a state that comes
    from elsewhere is copied and left alone.
    """

    def __init__(self, step: Step, data: Any) -> None:
        self.step = partial(step, data)
        self.buffers: list[list[NDArray]] = []
        self.states: list[Tree] = []
        self.programs: dict[Any, _Pair] = {}

    def __call__(self, state: Tree, batches: Tree) -> Tree:
        stacks = [stack for stack in batches if stack is not None]
        pair = self._programs_for(state, batches, stacks)
        side = self._brought_in(state)
        for i in range(len(stacks[0])):
            for place, stack in zip(pair.places, stacks, strict=True):
                place[...] = stack[i]
            pair.programs[side].run()
            side = 1 - side
        return self.states[side]

    def _brought_in(self, state: Tree) -> int:
        """Return which buffers hold the state, after copying there what came from outside."""
        leaves = _leaves(state)
        side = int(leaves[0] is self.buffers[1][0])
        for leaf, buffer in zip(leaves, self.buffers[side], strict=True):
            if leaf is not buffer:
                buffer[...] = leaf
        return side

    def _programs_for(self, state: Tree, batches: Tree, stacks: Sequence[NDArray]) -> _Pair:
        if not self.buffers:
            leaves = _leaves(state)
            self.buffers = [[np.array(leaf) for leaf in leaves] for _ in range(2)]
            self.states = [_rebuilt(state, iter(buffer)) for buffer in self.buffers]
        key = tuple((stack.shape[1:], stack.dtype) for stack in stacks)
        if key not in self.programs:
            places = [stack[0, ...].copy() for stack in stacks]
            programs = [self._traced(side, batches, places) for side in (0, 1)]
            self.programs[key] = _Pair(places, programs)
        return self.programs[key]

    def _traced(self, side: int, batches: Tree, places: Sequence[NDArray]) -> Program:
        tape = Tape()
        state = _rebuilt(self.states[side], map(tape.traced, self.buffers[side]))
        result = self.step(state, _rebuilt(batches, map(tape.traced, places)))
        outputs = [leaf.array for leaf in _leaves(result)]
        return Program(tape.calls, outputs, self.buffers[1 - side])


class _Pair(NamedTuple):
    """The programs from each buffer to the other, and where they find their batch."""

    places: list[NDArray]
    programs: list[Program]


def _leaves(tree: Tree) -> list[Any]:
    if isinstance(tree, tuple):
        return [leaf for branch in tree for leaf in _leaves(branch)]
    return [] if tree is None else [tree]


def _rebuilt(tree: Tree, leaves: Any) -> Tree:
    """Return the tree with other leaves."""
    if isinstance(tree, tuple):
        branches = [_rebuilt(branch, leaves) for branch in tree]
        return type(tree)(*branches) if hasattr(tree, "_fields") else tuple(branches)
    return None if tree is None else next(leaves)


class Program:
    """The calls of a tape, bound to memory that is laid out once.

    Parameters
    ----------
    calls : sequence of Call
        As traced, each result in memory of its own.
    outputs : sequence of array
        Which results are wanted.
    targets : sequence of array
        Where each of them is to be written.
    """

    def __init__(
        self, calls: Sequence[Call], outputs: Sequence[NDArray], targets: Sequence[NDArray]
    ) -> None:
        layout = _Layout(calls, outputs, targets)
        self.operations: list[Callable[[], object]] = []
        for in_lanes, run in groupby(calls, key=lambda call: call.lane > 0):
            bound = [(c.lane, layout.bound(c)) for c in run if not layout.is_in_place(c)]
            if in_lanes:
                lanes = [[op for _, op in lane] for _, lane in groupby(bound, key=itemgetter(0))]
                self.operations.append(Lanes(lanes))
            else:
                self.operations += [operation for _, operation in bound]
        self.operations += layout.last_copies

    def run(self) -> None:
        """Do everything once more."""
        _do(self.operations)


class Lanes:
    """Lists of operations that threads do side by side; NumPy lets them run at once."""

    def __init__(self, lanes: Sequence[Sequence[Callable[[], object]]]) -> None:
        self.first, *self.others = lanes
        self.threads = ThreadPoolExecutor(len(self.others)) if self.others else None

    def __call__(self) -> None:
        waiting = [self.threads.submit(_do, lane) for lane in self.others if self.threads]
        _do(self.first)
        for lane in waiting:
            lane.result()


def _do(operations: Sequence[Callable[[], object]]) -> None:
    for operation in operations:
        operation()


def _owner(array: NDArray) -> NDArray:
    """Return the array whose memory a view shows."""
    while isinstance(array.base, np.ndarray):
        array = array.base
    return array


def _address(array: NDArray) -> int:
    return int(array.__array_interface__["data"][0])


class _Layout:
    """Where each result of a tape lies: ``place[id(owner)] = (memory, offset in bytes)``."""

    def __init__(
        self, calls: Sequence[Call], outputs: Sequence[NDArray], targets: Sequence[NDArray]
    ) -> None:
        self.results = {id(call.result): call for call in calls}
        self.place: dict[int, tuple[NDArray, int]] = {}
        self.inside: dict[int, tuple[int, int]] = {}  # part -> (the whole, offset in it)
        self.last_copies: list[Callable[[], object]] = []
        self._put_outputs_on_targets(outputs, targets)
        for call in reversed(calls):
            self._put_parts_into_the_whole(call)
        self._share_the_rest(calls)
        for output, target in zip(outputs, targets, strict=True):
            if self._root(id(_owner(output))) not in self.on_target:
                copy = partial(np.copyto, target, self.moved(output))
                self.last_copies.append(copy)

    def _put_outputs_on_targets(
        self, outputs: Sequence[NDArray], targets: Sequence[NDArray]
    ) -> None:
        self.on_target = set[int]()
        for output, target in zip(outputs, targets, strict=True):
            whole = id(output) in self.results and id(output) not in self.on_target
            if whole and output.strides == target.strides and output.dtype == target.dtype:
                self.place[id(output)] = (target, 0)
                self.on_target.add(id(output))

    def _put_parts_into_the_whole(self, call: Call) -> None:
        """Let what is concatenated be written where it is going to be."""
        if call.function is not concatenate:
            return
        offset = 0
        for part in call.arguments:
            owner = _owner(part)
            free = id(owner) in self.results and id(owner) not in self.inside
            if free and id(owner) not in self.on_target and _is_all_of(part, owner):
                self.inside[id(owner)] = (id(call.result), offset)
            offset += part.nbytes

    def _root(self, owner: int) -> int:
        while owner in self.inside:
            owner = self.inside[owner][0]
        return owner

    def _share_the_rest(self, calls: Sequence[Call]) -> None:
        """Give every other result memory that is free while the result is needed."""
        first: dict[int, int] = {}
        last: dict[int, int] = {}
        for i, call in enumerate(calls):
            for array in (call.result, *call.arguments):
                if isinstance(array, np.ndarray) and id(_owner(array)) in self.results:
                    root = self._root(id(_owner(array)))
                    first.setdefault(root, i)
                    last[root] = i
        starts: dict[int, list[int]] = {}
        ends: dict[int, list[int]] = {}
        for root in first:
            starts.setdefault(first[root], []).append(root)
            ends.setdefault(last[root], []).append(root)
        free: dict[tuple[int, int], list[NDArray]] = {}
        for i, call in enumerate(calls):
            # What was made outside a lane, another lane may still be reading.
            ending = [root for root in ends.get(i, []) if calls[first[root]].lane == call.lane]
            taken_over = self._taken_over(call, ending)
            for root in starts.get(i, []):
                if root not in self.place and taken_over is not None and root == id(call.result):
                    self.place[root] = self.place[taken_over]
                elif root not in self.place:
                    size = self.results[root].result.nbytes
                    # What a lane sets free, another may still be waiting to overwrite.
                    pool = free.get((call.lane, size)) or free.get((0, size))
                    memory = pool.pop() if pool else np.empty(size, np.uint8)
                    self.place[root] = (memory, 0)
            for root in ending:
                reused = root == taken_over and self.place.get(id(call.result)) is self.place[root]
                if root not in self.on_target and not reused:
                    memory = self.place[root][0]
                    free.setdefault((call.lane, memory.nbytes), []).append(memory)

    def _taken_over(self, call: Call, ending: Sequence[int]) -> int | None:
        """Return an argument whose memory an elementwise result may overwrite, if any."""
        function, result = call.function, call.result
        if not isinstance(function, np.ufunc) or function.signature is not None:
            return None
        for argument in call.arguments:
            if (
                id(argument) in ending
                and id(argument) not in self.on_target
                and argument.strides == result.strides
                and argument.shape == result.shape
                and argument.nbytes == result.nbytes
            ):
                return id(argument)
        return None

    def moved(self, array: NDArray) -> NDArray:
        """Return the same view in the memory laid out; what was there before stays."""
        owner = _owner(array)
        if id(owner) not in self.results:
            return array
        offset = _address(array) - _address(owner)
        name = id(owner)
        while name in self.inside:
            name, start = self.inside[name]
            offset += start
        memory, start = self.place[name]
        raw = memory.reshape(-1).view(np.uint8)
        return np.ndarray(array.shape, array.dtype, raw, start + offset, array.strides)

    def is_in_place(self, call: Call) -> bool:
        """Return whether all parts of a concatenation are written where they belong."""
        return call.function is concatenate and all(
            self.inside.get(id(_owner(part)), (None,))[0] == id(call.result)
            for part in call.arguments
        )

    def bound(self, call: Call) -> Callable[[], object]:
        """Return the call with its arguments and its result in the memory laid out."""
        arguments = [self.moved(a) if isinstance(a, np.ndarray) else a for a in call.arguments]
        options = {name: value for name, value in call.options.items() if value is not None}
        return partial(call.function, *arguments, out=self.moved(call.result), **options)


def _is_all_of(part: NDArray, owner: NDArray) -> bool:
    """Return whether a view shows its owner from beginning to end, in order of memory."""
    return part.nbytes == owner.nbytes and part.flags.c_contiguous and owner.flags.c_contiguous
