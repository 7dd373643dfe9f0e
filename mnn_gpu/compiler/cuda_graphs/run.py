"""A run of steps as a device does it: launched one by one at first, then as graphs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from typing import NamedTuple

from mnn_gpu.compiler.cuda_graphs.device import Device
from mnn_gpu.compiler.cuda_graphs.program import Program
from mnn_gpu.compiler.cuda_graphs.scheduling import ScheduleEntry, dependencies, schedule
from mnn_gpu.compiler.operations import Operation
from mnn_gpu.compiler.pytrees import Tree, leaves, tree_map


class Piece(NamedTuple):
    """Launches that are one graph; without turns what is done between graphs."""

    operations: Sequence[Operation]
    schedule: Sequence[ScheduleEntry] | None


def pieces(program: Program, steps: Sequence[Sequence[Operation]]) -> Iterator[Piece]:
    """Cut the launches of some steps where something is done outside of a graph."""
    operations = [operation for step in steps for operation in step]
    is_external = program.is_external * len(steps)
    accesses = program.accesses * len(steps)
    for outside, numbers in groupby(range(len(operations)), is_external.__getitem__):
        these = list(numbers)
        waiting = [] if outside else dependencies(accesses[n] for n in these)
        yield Piece([operations[n] for n in these], None if outside else schedule(waiting))


class GraphRun:
    """Steps of batches of one form, the next time's in the same places.

    Parameters
    ----------
    places : tree of arrays
        Where the batches are.
    pieces : iterable of Piece
    state : tree of arrays
        What the steps change.
    device : Device
    """

    def __init__(
        self, batch_buffers: Tree, pieces: Iterable[Piece], state: Tree, device: Device
    ) -> None:
        self.batch_buffers = batch_buffers
        self.pieces = list(pieces)
        self.state = state
        self.device = device
        self.is_tried = False
        self.launches: list[Operation] | None = None

    @property
    def has_exchanges(self) -> bool:
        return any(piece.schedule is None for piece in self.pieces)

    def capture(self) -> None:
        """Capture the steps, if they were made once and nobody ends it from outside."""
        if not self.is_tried or self.launches is not None:
            return
        launches: list[Operation] = []
        for operations, entries in self.pieces:
            graph = None if entries is None else self.device.captured(operations, entries)
            if entries is not None and graph is None:
                return
            launches += operations if graph is None else [graph]
        self.launches = launches

    def replay(self) -> None:
        """Make the steps; after an exception the state is what it was, if the device is there."""
        if self.launches is None:
            self._one_by_one()
            self.is_tried = True
        else:
            for launch in self.launches:
                launch()

    def _one_by_one(self) -> None:
        before = tree_map(self.device.copy, self.state)
        try:
            for piece in self.pieces:
                for operation in piece.operations:
                    operation()
        except Exception:
            overwrite(self.device, self.state, before)
            raise


def overwrite(device: Device, batch_buffers: Tree, arrays: Tree) -> None:
    """Write a tree of arrays to places of their shapes."""
    for target, array in zip(leaves(batch_buffers), leaves(arrays), strict=True):
        device.overwrite(target, array)
