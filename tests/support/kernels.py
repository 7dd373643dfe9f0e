"""The GPU kernels of training steps, traced without a GPU."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from mnn_gpu import Augmentation, TrainingConfig
from mnn_gpu.backends.array_api_backend import PlainBackend
from mnn_gpu.compiler.cuda_graphs import cuda_source, small_matmul_kernels
from mnn_gpu.compiler.cuda_graphs.column_kernels import column_kernel
from mnn_gpu.compiler.cuda_graphs.expressions import Expression
from mnn_gpu.compiler.cuda_graphs.kernels import (
    Columns,
    Kernel,
    Reduction,
    SmallMatmulRows,
    SmallMatmulSlices,
)
from mnn_gpu.compiler.cuda_graphs.program import Program
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
        "columns", "small matmul rows", "small matmul slices", "elementwise" or "reduction".
    text : str
        CUDA C; for the last two in a loop written by the tests, since CuPy generates theirs.
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


def _kernels(kernels: list[Kernel]) -> Iterator[KernelSource]:
    for spec, _, outputs in kernels:
        dtype = cuda_source.TYPES[str(outputs[0].dtype)]
        if isinstance(spec, Columns):
            yield KernelSource("columns", column_kernel(spec, "columns"))
        elif isinstance(spec, SmallMatmulRows):
            for vector in (1, 16 // outputs[0].itemsize):
                if not (spec.inner % vector or spec.step % vector):
                    yield KernelSource(
                        "small matmul rows",
                        small_matmul_kernels.rows_kernel(spec, dtype, vector, "rows"),
                    )
        elif isinstance(spec, SmallMatmulSlices):
            for vector in (1, 16 // outputs[0].itemsize):
                if not spec.columns % vector:
                    text = small_matmul_kernels.slices_kernel(spec, dtype, vector, "slices")
                    yield KernelSource("small matmul slices", text)
        elif isinstance(spec, Expression):
            yield KernelSource("elementwise", _elementwise(spec))
        elif isinstance(spec, Reduction):
            yield KernelSource("reduction", _reduction(spec))


def _elementwise(spec: Expression) -> str:
    types = [cuda_source.TYPES[spec.operations[value].dtype] for value in spec.outputs]
    outputs = [f"{dtype}* __restrict__ q{n}" for n, dtype in enumerate(types)]
    declared = "\n".join(f"{dtype} y{n};" for n, dtype in enumerate(types))
    written = "\n".join(f"q{n}[i] = y{n};" for n in range(len(types)))
    return _loop(
        spec,
        outputs,
        f"""{declared}
{cuda_source.statements(spec)}
{cuda_source.assignments(spec)}
{written}""",
    )


def _reduction(spec: Reduction) -> str:
    expression = spec.expression
    dtype = cuda_source.TYPES[expression.operations[expression.outputs[0]].dtype]
    return _loop(
        expression,
        [f"{dtype}* __restrict__ q"],
        f"""const {dtype} a = q[0], b = {cuda_source.computed(expression)};
q[0] = {cuda_source.REDUCE[spec.function]};""",
    )


def _loop(spec: Expression, outputs: list[str], body: str) -> str:
    """Return a kernel with a loop around the statements for entry ``i`` of all inputs."""
    types = [cuda_source.TYPES[dtype] for dtype in spec.inputs]
    inputs = [f"const {dtype}* __restrict__ p{n}" for n, dtype in enumerate(types)]
    read = "\n".join(
        f"const {dtype}* x{n} = p{n};" if n in spec.rows_of else f"const {dtype} x{n} = p{n}[i];"
        for n, dtype in enumerate(types)
    )
    return f"""extern "C" __global__ void loop({", ".join([*inputs, *outputs])}, long long n) {{
const long long all = (long long)blockDim.x * gridDim.x;
for (long long i = (long long)blockIdx.x * blockDim.x + threadIdx.x; i < n; i += all) {{
{read}
{body}
}}
}}"""
