"""`compile` for devices that can capture and replay a sequence of kernels, as CUDA graphs do.

A small network's step is about seventy operations of a microsecond or two, and launching each
takes the host several microseconds. Here the step is traced on a tape, as for NumPy; its
operations are fused into a few kernels, see `fusion.py`, in memory that is planned once, see
`memory_plan.py`; and a run of many steps is captured and launched as one graph.
"""

from __future__ import annotations

import operator
from collections.abc import Iterator, Sequence
from typing import Any

from mnn_gpu.compiler.cuda_graphs.device import Device
from mnn_gpu.compiler.cuda_graphs.program import NotForGraphsError, Program
from mnn_gpu.compiler.cuda_graphs.run import GraphRun, overwrite, pieces
from mnn_gpu.compiler.operations import Operation
from mnn_gpu.compiler.pytrees import Tree, leaves, tree_map
from mnn_gpu.errors import TrainingWarning, warn
from mnn_gpu.step.execution import AllGather, Run, Step, entries, single_rank

SILENT = ""
"""A failure that is not reported."""


class CapturedStep:
    """A compiled step: ``(state, batches) -> state``; see `Backend.compile`.

    The first run of each form compiles the kernels, and launches them one by one. The second is
    captured, and launched as one graph from then on. A run whose number of steps is not
    a power of two is split into several. A returned state is overwritten by the next run; a state
    from elsewhere is copied and left unchanged. A step that cannot be captured, also when memory
    runs out, runs uncompiled, and a `TrainingWarning` says so once, except after a
    `NotForGraphsError`.

    An exchange with other ranks is a call between two graphs, in stream order. If one rank cannot
    capture, all ranks run uncompiled: they agree before each run. Later failures are raised, since
    the other ranks have already exchanged their sums.

    Parameters
    ----------
    step : callable
    data : tree of arrays
    plain : callable
        Runs the step uncompiled.
    device : Device
    allgather : callable, optional
        See `Backend.compile`.
    """

    def __init__(
        self,
        step: Step,
        data: Tree,
        plain: Run,
        device: Device,
        allgather: AllGather = single_rank,
    ) -> None:
        self.step = step
        self.data = data
        self.plain = plain
        self.device = device
        self.allgather = allgather
        self.state: Tree = None
        self.can_capture = True
        self.programs: dict[Any, Program] = {}
        self.runs: dict[Any, GraphRun] = {}

    @property
    def nbytes(self) -> int:
        """Bytes of the programs' intermediate results."""
        return sum(sum(program.memory_plan.sizes) for program in self.programs.values())

    def __call__(self, state: Tree, batches: Tree) -> Tree:
        for part in _in_powers_of_two(batches):
            state = self._steps(state, part)
        return state

    def _steps(self, state: Tree, batches: Tree) -> Tree:
        if not self.can_capture:
            return self.plain(state, batches)
        if self.state is None:
            # Allocated on the caller's stream: the graphs' stream may be gone before the result.
            state = self.state = tree_map(self.device.copy, state)
        with self.device.active():
            self._copy_in(state)
            failure = self._try_steps(batches)
        if failure is None:
            return self.state
        return self._fall_back(failure, batches)

    def _try_steps(self, batches: Tree) -> str | None:
        """Run the steps; return why this failed, None if it did not, SILENT if not reported."""
        ready: list[GraphRun] = []
        own = self._failure_of(lambda: ready.append(self._ready(batches)))
        failure = first_failure(self.allgather(own))
        if failure is not None:
            return failure
        (run,) = ready
        if run.has_exchanges:
            run.replay()
            return None
        return self._failure_of(run.replay)

    def _failure_of(self, work: Operation) -> str | None:
        try:
            work()
        except NotForGraphsError:
            return SILENT
        except Exception as error:
            if self.device.is_lost(error):
                raise
            return f"{type(error).__name__}: {error}"
        return None

    def _ready(self, batches: Tree) -> GraphRun:
        """Return the run of these batches, captured unless it is the first of its form."""
        key = _key(batches)
        run = self.runs.get(key)
        if run is None:
            run = self.runs[key] = self._prepare(batches)
        else:
            overwrite(self.device, run.batch_buffers, batches)
            run.capture()
        return run

    def _prepare(self, batches: Tree) -> GraphRun:
        # From the copies, which are row-major: the originals may not be.
        batch_buffers = tree_map(self.device.copy, batches)
        first = next(entries(batch_buffers))
        key = _key(first)
        if key not in self.programs:
            self.programs[key] = Program(self.step, self.data, self.state, first, self.device)
        program = self.programs[key]
        steps = [program.bind(batch) for batch in entries(batch_buffers)]
        self.device.compile()
        return GraphRun(batch_buffers, pieces(program, steps), self.state, self.device)

    def _fall_back(self, failure: str, batches: Tree) -> Tree:
        self.can_capture = False
        # First free all memory for the uncompiled step. If that is not enough, the caller
        # handles it.
        self.runs.clear()
        self.programs.clear()
        del self.device
        following = self.plain(self.state, batches)
        self.state = None
        if failure:
            warn(f"The step cannot be captured ({failure}): it runs uncompiled.", TrainingWarning)
        return following

    def _copy_in(self, state: Tree) -> None:
        """Copy arrays that are not yet in place; one may be the source of another."""
        if state is self.state:
            return
        pairs = list(zip(leaves(self.state), leaves(state), strict=True))
        if any(_key(target) != _key(leaf) for target, leaf in pairs):
            raise ValueError("a compiled step was given a state of another shape or dtype")
        foreign = [(p, self.device.copy(leaf)) for p, leaf in pairs if leaf is not p]
        for target, leaf in foreign:
            self.device.overwrite(target, leaf)


def first_failure(failures: Sequence[str | None]) -> str | None:
    """Return a rank's failure, None if there is none; SILENT only if there is no other."""
    found = [failure for failure in failures if failure is not None]
    return next(filter(None, found), SILENT) if found else None


def _in_powers_of_two(batches: Tree) -> Iterator[Tree]:
    """Split a run of steps into few lengths, since the graph of each length is kept."""
    count, start = batches[0].shape[0], 0
    while start < count:
        stop = start + (1 << (count - start).bit_length() - 1)
        here = operator.itemgetter(slice(start, stop))
        yield batches if stop - start == count else tree_map(here, batches)
        start = stop


def _key(tree: Tree) -> Any:
    return tree_map(lambda leaf: (tuple(leaf.shape), str(leaf.dtype)), tree)
