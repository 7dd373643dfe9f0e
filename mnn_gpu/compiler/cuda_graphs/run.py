"""A run of steps: launched kernel by kernel at first, then as graphs."""

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
    """Kernels that form one graph; without a schedule, external calls between graphs."""

    operations: Sequence[Operation]
    schedule: Sequence[ScheduleEntry] | None


def pieces(program: Program, steps: Sequence[Sequence[Operation]]) -> Iterator[Piece]:
    """Split the kernels of some steps at external calls."""
    operations = [operation for step in steps for operation in step]
    is_external = program.is_external * len(steps)
    accesses = program.accesses * len(steps)
    for outside, numbers in groupby(range(len(operations)), is_external.__getitem__):
        these = list(numbers)
        waiting = [] if outside else dependencies(accesses[n] for n in these)
        yield Piece([operations[n] for n in these], None if outside else schedule(waiting))


class GraphRun:
    """Steps on batches of one form, which are copied to the same buffers each time.

    Parameters
    ----------
    batch_buffers : tree of arrays
        Buffers of the batches.
    pieces : iterable of Piece
    state : tree of arrays
        Updated by the steps.
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
        """Capture the steps if they have run once, unless the capture is ended from outside."""
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
        """Run the steps; after an exception the state is restored if the device is usable."""
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
    """Copy a tree of arrays to buffers of the same shapes."""
    for target, array in zip(leaves(batch_buffers), leaves(arrays), strict=True):
        device.overwrite(target, array)
