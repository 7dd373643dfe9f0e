"""NVIDIA's compiler accepts every kernel of a training step, for every GPU since 2016.

Its wheels need no GPU: ``pip install nvidia-cuda-nvrtc-cu12 nvidia-cuda-nvrtc``. A table of the
resources of each kernel: ``python -m tests.support.kernel_table``.
"""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

import pytest

from mnn_gpu.compiler.cuda_graphs.split_k import SHARED_MEMORY
from tests.support.kernels import all_kernels
from tests.support.nvrtc import CAPABILITIES, WHEELS, compiled, library


class Bound(NamedTuple):
    """Maximum resources of a kernel: see `nvrtc.Compiled`."""

    registers: int
    stack: int
    spills: int
    shared: int
    code: int


BOUNDS = {
    "elementwise": Bound(80, 0, 0, 0, 32 << 10),
    "reduction": Bound(64, 0, 0, 512 * 8, 32 << 10),
    # Arrays of a thread that a loop indexes by column are on its stack.
    "columns": Bound(255, 512, 64, 0, 128 << 10),
    "small matmul rows": Bound(128, 0, 0, SHARED_MEMORY, 48 << 10),
    "small matmul slices": Bound(128, 0, 0, SHARED_MEMORY, 48 << 10),
}


kernels = cache(all_kernels)


@pytest.mark.parametrize(
    ("version", "capability"),
    [(version, capability) for version in CAPABILITIES for capability in CAPABILITIES[version]],
)
def test_every_kernel_compiles_without_a_warning_and_within_bounds(
    version: int, capability: str
) -> None:
    nvrtc = library(version)
    if nvrtc is None:
        pytest.skip(f"CUDA {version}'s compiler, {WHEELS[version]}, is not installed.")
    assert {kernel.kind for kernel in kernels()} == {*BOUNDS}
    for kernel, job in kernels().items():
        found = compiled(nvrtc, kernel.text, capability)
        assert found.warnings == "", (job, kernel.text)
        taken = Bound(found.registers, found.stack, found.spills, found.shared, found.code)
        exceeded = [one > most for one, most in zip(taken, BOUNDS[kernel.kind], strict=True)]
        assert not any(exceeded), (job, kernel.kind, taken, kernel.text)
