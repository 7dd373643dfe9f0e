"""The GPU kernels of training steps, traced without a GPU."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from mnn_gpu import Augmentation, TrainingConfig
from mnn_gpu.backends.array_api_backend import PlainBackend
from mnn_gpu.compiler.cuda_graphs.expressions import Expression
from mnn_gpu.compiler.cuda_graphs.kernels import (
    Columns,
    Kernel,
    Product,
    Reduction,
    SmallMatmulRows,
    SmallMatmulSlices,
)
from mnn_gpu.compiler.cuda_graphs.launches import launch_of
from mnn_gpu.compiler.cuda_graphs.modules import module_source
from mnn_gpu.compiler.cuda_graphs.program import Program
from mnn_gpu.compiler.operations import ExternalCall
from mnn_gpu.compiler.pytrees import tree_map
from mnn_gpu.step.execution import entries
from tests.support.replay_device import ReplayDevice
from tests.support.steps import run_inputs

REGULARIZED = TrainingConfig(
    hidden=(64, 32),
    batch_size=128,
    optimizer="adamw",
    dropout=0.3,
    input_dropout=0.1,
    label_smoothing=0.1,
    clip_norm=0.5,
    max_norm=2.0,
    weight_decay=0.1,
    ema_decay=0.9,
    warmup=0.2,
    scale_inputs=True,
)
JOBS = {
    "a": (TrainingConfig(hidden=(10, 10), optimizer="sgd"), 41_000),
    "a float64": (TrainingConfig(hidden=(10, 10), optimizer="sgd", dtype="float64"), 41_000),
    "b": (TrainingConfig(hidden=(10, 10), batch_size=128, optimizer="adam"), 41_000),
    "c": (TrainingConfig(hidden=(128, 64), batch_size=128, optimizer="adam"), 41_000),
    "d": (TrainingConfig(hidden=(1000, 500), batch_size=256, optimizer="adam"), 41_000),
    "m": (TrainingConfig(hidden=(1024,), batch_size=32, optimizer="sgd"), 10_000),
    # NVRTC 13.5 did not terminate on this one for 10.0 when its outer loop was unrolled.
    "momentum": (TrainingConfig(hidden=(16,), batch_size=64, optimizer="momentum"), 1000),
    "regularized": (REGULARIZED, 1000),
    "augmented": (
        replace(REGULARIZED, augmentation=Augmentation(half_turned=(1, 2))),
        1000,
    ),
    "bf16": (replace(REGULARIZED, matmul_precision="bf16"), 1000),
    "deep": (TrainingConfig(hidden=(32,) * 8, batch_size=128, optimizer="adam"), 1000),
    "deep whole": (TrainingConfig(hidden=(32,) * 8, optimizer="sgd"), 20_000),
    "wide layers": (TrainingConfig(hidden=(64,) * 3, batch_size=128, optimizer="adam"), 1000),
}
"""Configuration of a run on images of 784 pixels in ten classes, and the number of images; the
letters are the jobs of the benchmarks."""


class KernelSource(NamedTuple):
    """A kernel of a step.

    Attributes
    ----------
    kind : str
        One of KINDS.
    text : str
        CUDA C.
    """

    kind: str
    text: str


def program_of(config: TrainingConfig, rows: int) -> Program:
    """Return the program of a run's step on a device, with microbatches as on a GPU."""
    backend = replace(PlainBackend.of(np.zeros(0)), is_host=True)
    rng = np.random.default_rng(0)
    X, y = rng.integers(0, 256, (rows, 784), np.uint8), np.arange(rows) % 10
    step, data, state, batches = run_inputs(backend, config, X, y)
    first = next(entries(next(batches)))
    return Program(step, data, tree_map(np.array, state), first, ReplayDevice())


def all_kernels() -> dict[KernelSource, str]:
    """Return the distinct kernels of all jobs, each with the first job that has it."""
    found: dict[KernelSource, str] = {}
    for name, job in JOBS.items():
        for kernel in _kernels(program_of(*job).memory_plan.kernels):
            found.setdefault(kernel, name)
    return found


KINDS = {
    Expression: "elementwise",
    Reduction: "reduction",
    Columns: "columns",
    SmallMatmulRows: "small matmul rows",
    SmallMatmulSlices: "small matmul slices",
}


def sources_of(job: tuple[TrainingConfig, int]) -> list[str]:
    """Return the distinct sources of a job's kernels, in aligned memory, as compiled together."""
    kernels = program_of(*job).memory_plan.kernels
    launches = [
        launch_of(spec, inputs, outputs, [0])
        for spec, inputs, outputs in kernels
        if not isinstance(spec, Product | ExternalCall)
    ]
    return list(dict.fromkeys(launch.source for launch in launches))


def _kernels(kernels: list[Kernel]) -> Iterator[KernelSource]:
    """Yield the source of each kernel, and of products that the one for unaligned memory."""
    for spec, inputs, outputs in kernels:
        if not isinstance(spec, Product | ExternalCall):
            for address in (0, 4) if "matmul" in KINDS[type(spec)] else (0,):
                launch = launch_of(spec, inputs, outputs, [address])
                yield KernelSource(KINDS[type(spec)], module_source([launch.source]))
