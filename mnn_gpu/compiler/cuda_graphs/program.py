"""A step as a device's kernels, bound to planned memory."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from mnn_gpu.compiler.cuda_graphs.column_fusion import fuse_columns
from mnn_gpu.compiler.cuda_graphs.device import Device, Launcher
from mnn_gpu.compiler.cuda_graphs.fusion import fuse
from mnn_gpu.compiler.cuda_graphs.kernels import Kernel
from mnn_gpu.compiler.cuda_graphs.memory_plan import MemoryPlan
from mnn_gpu.compiler.cuda_graphs.scheduling import Access
from mnn_gpu.compiler.operations import ExternalCall, Operation
from mnn_gpu.compiler.pytrees import Tree, leaves, tree_map
from mnn_gpu.compiler.trace import Tape
from mnn_gpu.compiler.views import span
from mnn_gpu.step.execution import Step

Array: TypeAlias = Any
NDArray: TypeAlias = npt.NDArray[Any]


MOST_CALLS = 5000
"""For longer steps, with hundreds of microbatches, the launch overhead is negligible."""


UNMAPPED = 1 << 62
"""An address outside any process's address space."""
PAGE = 1 << 12


class NotForGraphsError(Exception):
    """A step that should not be captured; it runs uncompiled, without a warning."""


class Program:
    """A step for batches of one form, traced, with planned device memory.

    Parameters
    ----------
    step : callable
    data, state, batch : trees of the device's arrays
        The step's result is written to the state, which is row-major.
    device : Device

    Attributes
    ----------
    accesses : list of list of Access
        Of each kernel.
    is_external : list of bool
        Whether each kernel is an external call, made between graphs.
    """

    def __init__(self, step: Step, data: Tree, state: Tree, batch: Tree, device: Device) -> None:
        self.device = device
        placeholder = _Placeholders().of
        traced = [tree_map(placeholder, tree) for tree in (data, state, batch)]
        pairs = zip(leaves(traced[:2]), leaves([data, state]), strict=True)
        self.existing = {id(traced): array for traced, array in pairs}
        self.of_batch = {id(leaf): n for n, leaf in enumerate(leaves(traced[2]))}
        # Keeps the arrays alive whose `id` is used.
        self.kept = traced
        tape = Tape(for_host=False)
        result = step(*(tree_map(tape.traced, tree) for tree in traced))
        if len(tape.calls) > MOST_CALLS:
            raise NotForGraphsError(f"{len(tape.calls)} operations are too many for a graph")
        outputs = [leaf.array for leaf in leaves(result)]
        kernels = fuse_columns(fuse(tape.calls, outputs), outputs)
        targets = list(leaves(traced[1]))
        pairs = zip(outputs, targets, strict=True)
        if any((one.shape, one.dtype) != (other.shape, other.dtype) for one, other in pairs):
            raise NotImplementedError("a step that changes the form of its state")
        self.memory_plan = MemoryPlan(kernels, outputs, targets)
        self.allocate()
        specs = [kernel.spec for kernel in self.memory_plan.kernels]
        self.is_external = [isinstance(spec, ExternalCall) for spec in specs]
        self.launchers = [
            _external(spec) if isinstance(spec, ExternalCall) else device.launcher(spec)
            for spec in specs
        ]
        in_state = {id(target) for target in targets}
        self.accesses = [self._accesses(kernel, in_state) for kernel in self.memory_plan.kernels]

    def allocate(self) -> None:
        """Allocate the memory of all results."""
        self.buffers = [self.device.memory(size) for size in self.memory_plan.sizes]

    def bind(self, batch: Tree) -> list[Operation]:
        """Return all launches of the step on a row-major batch at its present location."""
        arrays = list(leaves(batch))
        operations: list[Operation] = []
        for kernel, launcher in zip(self.memory_plan.kernels, self.launchers, strict=True):
            inputs, outputs = (
                [self._on_device(view, arrays) for view in views]
                for views in (kernel.inputs, kernel.outputs)
            )
            operations.append(launcher(inputs, outputs))
        return operations

    def _accesses(self, kernel: Kernel, in_state: set[int]) -> list[Access]:
        """Return a kernel's reads and writes of memory that is ever written."""
        found = []
        for views, is_write in ((kernel.inputs, False), (kernel.outputs, True)):
            for view in views:
                _check_forwards(view)
                buffer, start = self.memory_plan.location(view)
                if isinstance(buffer, int) or id(buffer) in in_state:
                    name = buffer if isinstance(buffer, int) else ("state", id(buffer))
                    found.append(Access(name, start, start + span(view), is_write))
        return found

    def _on_device(self, view: NDArray, batch: Sequence[Array]) -> Array:
        buffer, offset = self.memory_plan.location(view)
        if isinstance(buffer, int):
            memory = self.buffers[buffer]
        elif id(buffer) in self.of_batch:
            memory = batch[self.of_batch[id(buffer)]]
        else:
            if id(buffer) not in self.existing:  # A constant of the step.
                if not buffer.flags.c_contiguous:
                    raise NotImplementedError("a constant that is not row-major")
                self.existing[id(buffer)] = self.device.copy(buffer)
            memory = self.existing[id(buffer)]
        return self.device.view(memory, offset, view.shape, view.dtype, view.strides)


def _external(call: ExternalCall) -> Launcher:
    return lambda inputs, outputs: partial(call.launch, inputs, outputs)


class _Placeholders:
    """Makes NumPy arrays with the form of other arrays, at addresses without memory.

    A tape only uses the shapes, strides and addresses of its inputs, not their contents.
    """

    def __init__(self) -> None:
        self.address = UNMAPPED

    def of(self, array: Array) -> NDArray:
        _check_forwards(array)
        placeholder = np.asarray(_Interface(array, self.address))
        self.address += -(-span(array) // PAGE) * PAGE
        return placeholder


class _Interface:
    """NumPy's array interface, not an ndarray, so that the array made from it has no base."""

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
        raise NotImplementedError("arrays with negative strides cannot be captured")
