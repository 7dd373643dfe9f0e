"""A step that runs rarely: compiled to few kernels, which are launched one by one."""

from __future__ import annotations

from functools import partial
from typing import Any

from mnn_gpu.compiler.cuda_graphs.device import Device
from mnn_gpu.compiler.cuda_graphs.program import Program
from mnn_gpu.compiler.cuda_graphs.run import overwrite
from mnn_gpu.compiler.pytrees import Tree, tree_map
from mnn_gpu.step.execution import Step

MOST_PROGRAMS = 16
"""Forms of batches for which kernels are kept; each other runs uncompiled."""


class UncapturedStep:
    """A compiled step without data: ``(state, batch) -> state``; see `Backend.compile_rare`.

    Uncompiled, each of its operations would be a kernel of CuPy that must be compiled first, one
    after the other. Memory is only held while it runs. A step that cannot be compiled, also when
    memory runs out, runs uncompiled.

    Parameters
    ----------
    step : callable
    device : Device
    """

    def __init__(self, step: Step, device: Device) -> None:
        self.step = step
        self.plain = partial(step, ())
        self.device = device
        self.can_compile = True
        self.programs: dict[Any, tuple[Tree, Program]] = {}

    def __call__(self, state: Tree, batch: Tree) -> Tree:
        key = tree_map(lambda leaf: (leaf.shape, leaf.strides, str(leaf.dtype)), batch)
        is_known = key in self.programs or len(self.programs) < MOST_PROGRAMS
        if not (self.can_compile and is_known):
            return self.plain(state, batch)
        try:
            with self.device.active():
                if key not in self.programs:
                    self.programs[key] = self._compiled(state, batch)
                place, program = self.programs[key]
                overwrite(self.device, place, state)
                self._launch(program, batch)
        except Exception as error:
            if self.device.is_lost(error):
                raise
            self.can_compile = False
            self.programs.clear()
            return self.plain(state, batch)
        return tree_map(self.device.copy, place)

    def _compiled(self, state: Tree, batch: Tree) -> tuple[Tree, Program]:
        place = tree_map(self.device.copy, state)
        program = Program(self.step, (), place, batch, self.device)
        program.buffers.clear()
        return place, program

    def _launch(self, program: Program, batch: Tree) -> None:
        program.allocate()
        operations = program.bind(batch)
        self.device.compile()
        for operation in operations:
            operation()
        program.buffers.clear()
