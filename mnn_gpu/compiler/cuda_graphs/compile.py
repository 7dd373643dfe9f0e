"""`compile` for devices that launch what was asked of them once, such as CUDA graphs.

A small network's step is some seventy operations of a microsecond or two, and to ask a GPU
for one takes the host several. Here the plain step is traced on a tape, as it is for NumPy;
its operations become few launches, see `fusion.py`, that work in memory which is laid out
once, see `places.py`; and a whole run of steps is captured and launched as one.
"""

from __future__ import annotations

import operator
import warnings
from collections.abc import Iterator, Sequence
from typing import Any

from mnn_gpu.compiler.cuda_graphs.device import Device
from mnn_gpu.compiler.cuda_graphs.program import NotForGraphsError, Program
from mnn_gpu.compiler.cuda_graphs.run import GraphRun, overwrite, pieces
from mnn_gpu.compiler.operations import Operation
from mnn_gpu.compiler.pytrees import Tree, leaves, tree_map
from mnn_gpu.errors import TrainingWarning
from mnn_gpu.step.execution import AllGather, Run, Step, entries, single_rank

SILENT = ""
"""A hindrance of which nothing is said."""


class CapturedStep:
    """A compiled step: ``(state, batches) -> state``; see `Backend.compile`.

    The first run of each form is launched one by one, which also compiles what the device
    wants; the second is captured, and launched as one from then on. Runs whose number of steps is
    no power of two are done as several. A state that this
    returned is overwritten by the next run; one that comes from elsewhere is copied and left
    alone. What can't be captured, for want of memory too, is run plainly, and a
    `TrainingWarning` says so, once; but not of a `NotForGraphsError`.

    An exchange with other ranks lies between two graphs, in the order of the device's stream. What
    one rank cannot capture all ranks run plainly: before each run they agree. What fails after
    that is raised, since the other ranks have exchanged their sums.

    Parameters
    ----------
    step : callable
    data : tree of arrays
    plain : callable
        The step run plainly.
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

    def __call__(self, state: Tree, batches: Tree) -> Tree:
        for part in _in_powers_of_two(batches):
            state = self._steps(state, part)
        return state

    def _steps(self, state: Tree, batches: Tree) -> Tree:
        if not self.can_capture:
            return self.plain(state, batches)
        if self.state is None:
            # Memory of the caller's stream: its own may be gone before the result is.
            state = self.state = tree_map(self.device.copy, state)
        with self.device.active():
            self._copy_in(state)
            failure = self._try_steps(batches)
        if failure is None:
            return self.state
        return self._fall_back(failure, batches)

    def _try_steps(self, batches: Tree) -> str | None:
        """Make the steps of these batches; return what hinders that, SILENT if it is no news."""
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
        """Return the run of these batches, captured if it is not the first of its form."""
        key = _key(batches)
        run = self.runs.get(key)
        if run is None:
            run = self.runs[key] = self._prepare(batches)
        else:
            overwrite(self.device, run.batch_buffers, batches)
            run.capture()
        return run

    def _prepare(self, batches: Tree) -> GraphRun:
        # Of the copies, which are row-major: others may lie otherwise.
        batch_buffers = tree_map(self.device.copy, batches)
        first = next(entries(batch_buffers))
        key = _key(first)
        if key not in self.programs:
            self.programs[key] = Program(self.step, self.data, self.state, first, self.device)
        program = self.programs[key]
        steps = [program.bound(batch) for batch in entries(batch_buffers)]
        return GraphRun(batch_buffers, pieces(program, steps), self.state, self.device)

    def _fall_back(self, failure: str, batches: Tree) -> Tree:
        self.can_capture = False
        # All memory is the plain step's from now on; it may lack some all the same, which is
        # for others to mend, so that it comes first.
        self.runs.clear()
        self.programs.clear()
        del self.device
        following = self.plain(self.state, batches)
        self.state = None
        if failure:
            warnings.warn(
                f"The step cannot be captured ({failure}): it runs as it is.",
                TrainingWarning,
                stacklevel=2,
            )
        return following

    def _copy_in(self, state: Tree) -> None:
        """Copy what is not there already; what is may be wanted in another place."""
        if state is self.state:
            return
        pairs = list(zip(leaves(self.state), leaves(state), strict=True))
        if any(_key(target) != _key(leaf) for target, leaf in pairs):
            raise ValueError("a compiled step is given a state of another shape or dtype")
        foreign = [(p, self.device.copy(leaf)) for p, leaf in pairs if leaf is not p]
        for target, leaf in foreign:
            self.device.overwrite(target, leaf)


def first_failure(failures: Sequence[str | None]) -> str | None:
    """Return what hinders one of the ranks, None if nothing does; SILENT is the last choice."""
    found = [failure for failure in failures if failure is not None]
    return next(filter(None, found), SILENT) if found else None


def _in_powers_of_two(batches: Tree) -> Iterator[Tree]:
    """Cut a run of steps into few lengths, since each length is a graph that is kept."""
    count, start = batches[0].shape[0], 0
    while start < count:
        stop = start + (1 << (count - start).bit_length() - 1)
        here = operator.itemgetter(slice(start, stop))
        yield batches if stop - start == count else tree_map(here, batches)
        start = stop


def _key(tree: Tree) -> Any:
    return tree_map(lambda leaf: (tuple(leaf.shape), str(leaf.dtype)), tree)
