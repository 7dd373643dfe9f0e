"""A step as a device's launches, bound to memory that is laid out once."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from mnn_gpu.compiler.cuda_graphs.column_fusion import fused_columns
from mnn_gpu.compiler.cuda_graphs.device import Device
from mnn_gpu.compiler.cuda_graphs.fusion import fused
from mnn_gpu.compiler.cuda_graphs.launches import Launch
from mnn_gpu.compiler.cuda_graphs.memory_plan import Places
from mnn_gpu.compiler.cuda_graphs.scheduling import Access
from mnn_gpu.compiler.operations import Operation, Outside
from mnn_gpu.compiler.pytrees import Tree, leaves, mapped
from mnn_gpu.compiler.trace import Tape
from mnn_gpu.compiler.views import span
from mnn_gpu.step.execution import Step

Array: TypeAlias = Any
NDArray: TypeAlias = npt.NDArray[Any]


MOST_CALLS = 5000
"""Of so long a step, of a batch in hundreds of shards, the launches are the least part."""


NOWHERE = 1 << 62
"""An address beyond all that a process can have."""
PAGE = 1 << 12


class NotForGraphsError(Exception):
    """A step that is not to be captured; it runs plainly, and nothing is said."""


class Program:
    """A step for batches of one form, traced and laid out in a device's memory.

    Parameters
    ----------
    step : callable
    data, state, batch : trees of the device's arrays
        The state, row-major, is what the step's result is written to.
    device : Device

    Attributes
    ----------
    accesses : list of list of Access
        Of each launch.
    is_outside : list of bool
        Whether each launch is done between graphs.
    """

    def __init__(self, step: Step, data: Tree, state: Tree, batch: Tree, device: Device) -> None:
        self.device = device
        standin = _Standins().of
        traced = [mapped(standin, tree) for tree in (data, state, batch)]
        there = zip(leaves(traced[:2]), leaves([data, state]), strict=True)
        self.there = {id(traced): array for traced, array in there}
        self.of_batch = {id(leaf): n for n, leaf in enumerate(leaves(traced[2]))}
        # What an `id` is of must not be forgotten.
        self.kept = traced
        tape = Tape(for_host=False)
        result = step(*(mapped(tape.traced, tree) for tree in traced))
        if len(tape.calls) > MOST_CALLS:
            raise NotForGraphsError(f"{len(tape.calls)} operations are too many for a graph")
        outputs = [leaf.array for leaf in leaves(result)]
        launches = fused_columns(fused(tape.calls, outputs), outputs)
        targets = list(leaves(traced[1]))
        pairs = zip(outputs, targets, strict=True)
        if any((one.shape, one.dtype) != (other.shape, other.dtype) for one, other in pairs):
            raise NotImplementedError("a step whose state changes its form")
        self.places = Places(launches, outputs, targets)
        self.pieces = [device.memory(size) for size in self.places.sizes]
        whats = [launch.what for launch in self.places.launches]
        self.is_outside = [isinstance(what, Outside) for what in whats]
        self.launchers = [
            what.launch if isinstance(what, Outside) else device.launcher(what) for what in whats
        ]
        in_state = {id(target) for target in targets}
        self.accesses = [self._accesses(launch, in_state) for launch in self.places.launches]

    def bound(self, batch: Tree) -> list[Operation]:
        """Return all launches of the step on a batch that lies, row-major, where it lies."""
        arrays = list(leaves(batch))
        operations: list[Operation] = []
        for launch, launcher in zip(self.places.launches, self.launchers, strict=True):
            inputs, outputs = (
                [self._on_device(view, arrays) for view in views]
                for views in (launch.inputs, launch.outputs)
            )
            operations.append(partial(launcher, inputs, outputs))
        return operations

    def _accesses(self, launch: Launch, in_state: set[int]) -> list[Access]:
        """Return what a launch reads and writes of all that is ever written."""
        found = []
        for views, is_write in ((launch.inputs, False), (launch.outputs, True)):
            for view in views:
                _check_forwards(view)
                home, start = self.places.place(view)
                if isinstance(home, int) or id(home) in in_state:
                    name = home if isinstance(home, int) else ("state", id(home))
                    found.append(Access(name, start, start + span(view), is_write))
        return found

    def _on_device(self, view: NDArray, batch: Sequence[Array]) -> Array:
        home, offset = self.places.place(view)
        if isinstance(home, int):
            there = self.pieces[home]
        elif id(home) in self.of_batch:
            there = batch[self.of_batch[id(home)]]
        else:
            if id(home) not in self.there:  # A constant of the step's.
                if not home.flags.c_contiguous:
                    raise NotImplementedError("a constant that is not row-major")
                self.there[id(home)] = self.device.copy(home)
            there = self.there[id(home)]
        return self.device.view(there, offset, view.shape, view.dtype, view.strides)


class _Standins:
    """Makes arrays of NumPy's in the form of others, at addresses without memory.

    A tape reads shapes, strides and addresses of what is there from the start, no entry of it.
    """

    def __init__(self) -> None:
        self.address = NOWHERE

    def of(self, array: Array) -> NDArray:
        _check_forwards(array)
        standin = np.asarray(_Interface(array, self.address))
        self.address += -(-span(array) // PAGE) * PAGE
        return standin


class _Interface:
    """NumPy's array interface; no array of NumPy's, so that its array is nobody's view."""

    def __init__(self, array: Array, address: int) -> None:
        self.__array_interface__ = {
            "version": 3,
            "shape": tuple(array.shape),
            "typestr": np.dtype(array.dtype).str,
            "data": (address, False),
            "strides": tuple(array.strides),
        }


def _check_forwards(array: Array) -> None:
    if min(array.strides, default=0) < 0:
        raise NotImplementedError("arrays that run backwards can't be captured")
