"""`compile` for NumPy: a pure step is traced once and then replayed in preallocated memory.

The counterpart of a captured CUDA graph. A replay makes the same NumPy calls in the same
order, with ``out=``: no lookups, no allocation, and memory is planned once, see
`memory_plan.py`. (Only matrix products with few rows are computed differently, see
`small_matmul.py`, so their rounding may differ.) The state is updated in place.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import nullcontext
from functools import partial
from itertools import groupby
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from mnn_gpu.compiler.large_matmul import in_pieces, is_threaded
from mnn_gpu.compiler.memory_plan import MemoryPlan
from mnn_gpu.compiler.operations import Operation, aligned
from mnn_gpu.compiler.parallel import ParallelTasks
from mnn_gpu.compiler.pytrees import Tree, leaves, tree_map
from mnn_gpu.compiler.trace import Call, Tape
from mnn_gpu.compiler.views import owner
from mnn_gpu.step.execution import Step
from mnn_gpu.utils.blas import single_threaded

NDArray: TypeAlias = npt.NDArray[Any]


class TornStepError(MemoryError):
    """Memory ran out after part of the state had been overwritten."""


class Replay:
    """A compiled step: ``(state, batches) -> state``; see `Backend.compile`.

    A returned state is overwritten by the next step; a state from elsewhere is copied and
    left unchanged.

    Parameters
    ----------
    step, data
        See `Backend.compile`.
    threads : int
        Number of threads that compute. The results do not depend on it.
    """

    def __init__(self, step: Step, data: Any, threads: int = 1) -> None:
        self.step = step
        self.data = data
        self.threads = threads
        self.buffers: list[NDArray] = []
        self.state: Tree = None
        self.programs: dict[Any, tuple[list[NDArray], Program]] = {}

    @property
    def nbytes(self) -> int:
        """Bytes of the programs' intermediate results."""
        return sum(program.nbytes for _, program in self.programs.values())

    def __call__(self, state: Tree, batches: Tree) -> Tree:
        stacks = [stack for stack in batches if stack is not None]
        batch_buffers, program = self._program_for(state, batches, stacks)
        self._copy_in(leaves(state))
        with program.products:
            for i in range(len(stacks[0])):
                for target, stack in zip(batch_buffers, stacks, strict=True):
                    target[...] = stack[i]
                try:
                    program.run()
                except MemoryError as error:
                    raise TornStepError(*error.args) from error
        return self.state

    def _copy_in(self, state: Iterable[NDArray]) -> None:
        """Copy arrays that are not yet in place; a buffer may be the source of another one."""
        pairs = zip(state, self.buffers, strict=True)
        foreign = [(np.array(leaf), buffer) for leaf, buffer in pairs if leaf is not buffer]
        for leaf, buffer in foreign:
            if (leaf.shape, leaf.dtype) != (buffer.shape, buffer.dtype):
                raise ValueError("a compiled step was given a state of another shape or dtype")
            buffer[...] = leaf

    def _program_for(
        self, state: Tree, batches: Tree, stacks: Sequence[NDArray]
    ) -> tuple[list[NDArray], Program]:
        """Return the program for batches of this shape, and the buffers of its batch."""
        if not self.buffers:
            self.state = tree_map(_aligned_copy, state)
            self.buffers = list(leaves(self.state))
        key = tuple((stack.shape[1:], stack.dtype) for stack in stacks)
        if key not in self.programs:
            batch_buffers = [_aligned_copy(stack[0, ...]) for stack in stacks]
            self.programs[key] = batch_buffers, self._traced(batches, batch_buffers)
        return self.programs[key]

    def _traced(self, batches: Tree, batch_buffers: Sequence[NDArray]) -> Program:
        tape = Tape()
        data, state = (tree_map(tape.traced, tree) for tree in (self.data, self.state))
        at = iter(batch_buffers)
        batch = tree_map(lambda _: tape.traced(next(at)), batches)
        result = self.step(data, state, batch)
        outputs = [leaf.array for leaf in leaves(result)]
        return Program(tape.calls, outputs, self.buffers, self.threads)


def _aligned_copy(array: NDArray) -> NDArray:
    copy = aligned(array.shape, array.dtype)
    copy[...] = array
    return copy


class Program:
    """The calls of a tape, bound to planned memory; for the arguments see `MemoryPlan`.

    The calls of each worker are one task; a large product is several, see `large_matmul`.
    """

    def __init__(
        self,
        calls: Sequence[Call],
        outputs: Sequence[NDArray],
        targets: Sequence[NDArray],
        threads: int = 1,
    ) -> None:
        calls = _eliminate_dead_code(calls, outputs)
        memory_plan = MemoryPlan(calls, outputs, targets)
        self.nbytes = memory_plan.nbytes
        self.operations: list[Operation] = []
        for group, run in groupby(calls, key=lambda call: call.group if call.worker else 0):
            workers: dict[int, list[Operation]] = {}
            for call in run:
                if not memory_plan.is_in_place(call):
                    workers.setdefault(call.worker, []).append(memory_plan.bind(call))
            if group:
                tasks = [partial(_run_all, operations) for operations in workers.values()]
                self.operations.append(ParallelTasks(tasks, threads))
            else:
                self.operations += (in_pieces(call, threads) for call in workers.get(0, []))
        self.operations += memory_plan.last_copies
        is_large = any(is_threaded(call) for call in calls)
        self.products = single_threaded() if is_large else nullcontext()

    def run(self) -> None:
        """Run all operations once."""
        _run_all(self.operations)


def _eliminate_dead_code(calls: Sequence[Call], outputs: Sequence[NDArray]) -> list[Call]:
    """Drop calls that no output depends on."""
    wanted = {id(owner(output)) for output in outputs}
    kept = []
    for call in reversed(calls):
        if id(call.result) in wanted:
            kept.append(call)
            wanted |= {id(owner(a)) for a in call.arguments if isinstance(a, np.ndarray)}
    return kept[::-1]


def _run_all(operations: Sequence[Operation]) -> None:
    for operation in operations:
        operation()
