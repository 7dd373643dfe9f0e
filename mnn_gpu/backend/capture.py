"""`compile` for devices that replay what was asked of them once, such as CUDA graphs.

A small network's step is some twenty kernels of a few microseconds, and to ask for one takes
the host longer than the device to run it. Here a run of steps is asked for once, from and into
memory that stays where it is, and then launched as a whole. The step is the plain one.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, Protocol, TypeAlias

from mnn_gpu.backend.base import Run, Step, entries
from mnn_gpu.backend.trees import Tree, leaves, mapped
from mnn_gpu.errors import TrainingWarning

Array: TypeAlias = Any


class Graphs(Protocol):
    """A device's way to run a series of operations again, on the same memory."""

    def capturable(self, array: Array) -> Array:
        """Return an array, as one that computes in ways that can be captured."""

    def plain(self, array: Array) -> Array:
        """Return the array that `capturable` was given, or what was computed with such."""

    def copy(self, array: Array) -> Array:
        """Return a copy in memory that is kept."""

    def overwrite(self, place: Array, array: Array) -> None:
        """Write an array to a place of its shape."""

    def captured(self, work: Callable[[], None]) -> Callable[[], None]:
        """Return what does the work; asking for it here must leave no trace in its memory."""

    def active(self) -> AbstractContextManager[Any]:
        """Return the context in which arrays are copied and graphs launched."""


class Captured:
    """A compiled step: ``(state, batches) -> state``; see `Backend.compile`.

    The first run of each form is the plain step's, which also compiles and allocates what the
    device wants; the second is captured, and launched from then on. A state that this returned
    is overwritten by the next run; one that comes from elsewhere is copied and left alone.
    What can't be captured is run plainly, and a `TrainingWarning` says so, once.

    Parameters
    ----------
    step : callable
    data : tree of arrays
    plain : callable
        The step run plainly.
    graphs : Graphs
    """

    def __init__(self, step: Step, data: Tree, plain: Run, graphs: Graphs) -> None:
        self.step = step
        self.plain = plain
        self.graphs = graphs
        self.data = mapped(graphs.capturable, data)
        self.state: Tree = None
        self.can_capture = True
        self.seen: set[Any] = set()
        self.launches: dict[Any, tuple[Tree, Callable[[], None]]] = {}

    def __call__(self, state: Tree, batches: Tree) -> Tree:
        key = tuple((leaf.shape, str(leaf.dtype)) for leaf in leaves(batches))
        if key not in self.seen or not self.can_capture:
            self.seen.add(key)
            return self.plain(state, batches)
        with self.graphs.active():
            self._bring_in(state)
            if key not in self.launches:
                places = mapped(self.graphs.copy, batches)
                try:
                    self.launches[key] = places, self.graphs.captured(lambda: self._run(places))
                except Exception as error:
                    return self._given_up(error, state, batches)
            places, launch = self.launches[key]
            self._overwrite(places, batches)
            launch()
        return self.state

    def _given_up(self, error: Exception, state: Tree, batches: Tree) -> Tree:
        self.can_capture = False
        self.launches.clear()
        warnings.warn(
            f"The step cannot be captured ({type(error).__name__}: {error}): it runs as it is.",
            TrainingWarning,
            stacklevel=2,
        )
        return self.plain(state, batches)

    def _bring_in(self, state: Tree) -> None:
        if self.state is None:
            self.state = mapped(self.graphs.copy, state)
        elif state is not self.state:
            self._overwrite(self.state, state)

    def _overwrite(self, places: Tree, arrays: Tree) -> None:
        for place, array in zip(leaves(places), leaves(arrays), strict=True):
            if place is not array:
                self.graphs.overwrite(place, array)

    def _run(self, places: Tree) -> None:
        """Make all steps of the batches that lie there, the state where it lies."""
        state = mapped(self.graphs.capturable, self.state)
        for batch in entries(mapped(self.graphs.capturable, places)):
            state = self.step(self.data, state, batch)
        self._overwrite(self.state, mapped(self.graphs.plain, state))
