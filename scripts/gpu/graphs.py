"""What a GPU must show of its results: those of the plain step, of the CPU, of the time before."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import replace
from functools import partial
from typing import Any
from unittest import mock

import numpy as np

from mnn_gpu import RECIPES, TrainingConfig, load_mnist, select_backend, train
from mnn_gpu.backends import Backend
from mnn_gpu.compiler.cuda_graphs import cuda_graphs, scheduling
from mnn_gpu.compiler.cuda_graphs import run as graph_run
from mnn_gpu.compiler.cuda_graphs.cuda_graphs import CudaGraphs
from scripts.benchmarks.device import amount
from scripts.gpu.faults import apart, warned, with_cupy
from scripts.gpu.outcome import Findings

ROWS = amount(41_000, 300)
HIDDEN = amount((1000, 500), (32, 16))
ITERATIONS = amount(256, 64)
"""Of each form of steps, 64 in a row or fewer at an epoch's end, the first are not captured."""
SMALL = TrainingConfig(
    batch_size=amount(128, 16), optimizer="adam", learning_rate=1e-3, iterations=ITERATIONS
)
FULL = TrainingConfig(iterations=amount(256, 128), learning_rate=0.03)
ACCURATE = replace(
    RECIPES["accurate"].config,
    epochs=None,
    iterations=amount(192, 40),
    learning_rate=1e-4,
    hidden=HIDDEN,
    batch_size=amount(512, 16),
)
CONFIGS = {
    "784-10-10-10, full batches": FULL,
    "784-10-10-10, batch 128": SMALL,
    "784-128-64-10, batch 128": replace(SMALL, hidden=amount((128, 64), HIDDEN)),
    "784-1000-500-10, deformed": ACCURATE,
    "784-1000-500-10, deformed, tf32": replace(ACCURATE, matmul_precision="tf32"),
    "784-1000-500-10, deformed, bf16": replace(ACCURATE, matmul_precision="bf16"),
}
MOST_APART = {"full": 1e-3, "tf32": 1e-2, "bf16": 1e-2}
"""Of all parameters: where a number is rounded the other way, a unit may fall silent."""
FIRST_STEPS = replace(ACCURATE, iterations=amount(100, 40), hidden=amount((128, 64), HIDDEN))
REPLAYS = amount(200, 3)


def trained(config: TrainingConfig, backend: Backend, rows: int = ROWS) -> Any:
    """Return the parameters after training on MNIST."""
    (X, y), _ = load_mnist()
    return train(X[:rows], y[:rows], config, backend=backend)[0].theta


@contextmanager
def captures() -> Iterator[list[bool]]:
    """Note each graph that is captured."""
    made = []
    captured = CudaGraphs.captured

    def noted(self: CudaGraphs, *given: Any) -> Any:
        graph = captured(self, *given)
        made.append(graph is not None)
        return graph

    with mock.patch.object(CudaGraphs, "captured", noted):
        yield made


def compared(config: TrainingConfig, gpu: Backend) -> dict[str, Any]:
    """Train plainly and in CUDA graphs: "passed" with the same parameters and no warning."""
    thetas = []
    with warned() as said, captures() as made:
        for wanted in ("0", "1"):
            with mock.patch.dict(os.environ, {cuda_graphs.VARIABLE: wanted}):
                thetas.append(trained(config, gpu))
    difference = apart(thetas[1], thetas[0])
    return {
        "relative_difference": difference,
        "graphs": sum(made),
        "said": said,
        "passed": difference < MOST_APART[config.matmul_precision] and any(made) and not said,
    }


def graphs_agree(device: str) -> Findings:
    """Train plainly and in CUDA graphs: no warning, and the same parameters."""
    gpu = with_cupy(device)
    found = {}
    for name, config in CONFIGS.items():
        found[name] = compared(config, gpu)
        yield {name: found[name]}
    yield {"passed": all(one["passed"] for one in found.values())}


def same_bits(device: str) -> Findings:
    """Train twice, and 200 graphs on four streams and on one: the same bits every time."""
    gpu = with_cupy(device)
    long = replace(
        SMALL, hidden=amount((128, 64), HIDDEN), iterations=REPLAYS * amount(gpu.steps_per_call, 18)
    )
    jobs: dict[str, tuple[TrainingConfig, Callable[[], AbstractContextManager[Any]]]] = {
        "twice, 784-10-10-10": (SMALL, nullcontext),
        "twice, deformed": (replace(FIRST_STEPS, dropout=0.2, iterations=ITERATIONS), nullcontext),
        "one stream, 784-128-64-10": (long, one_lane),
        "one stream, full batches": (FULL, one_lane),
    }
    same = {}
    for name, (config, other) in jobs.items():
        expected = trained(config, gpu)
        with other():
            same[name] = bool(np.array_equal(trained(config, gpu), expected))
        yield {"same": same}
    yield {"passed": all(same.values())}


def one_lane() -> AbstractContextManager[Any]:
    """Put all launches of a graph on one stream."""
    return mock.patch.object(graph_run, "schedule", partial(scheduling.schedule, streams=1))


def agreement(device: str) -> Findings:
    """Train 100 steps on CPU and GPU from the same seed and compare the parameters."""
    worst = {}
    for name, config in (
        ("full batch", TrainingConfig(iterations=amount(100, 20))),
        (
            "batch 128",
            TrainingConfig(
                iterations=amount(100, 40), batch_size=amount(128, 16), hidden=(128, 64)
            ),
        ),
        ("deformed", FIRST_STEPS),
        ("dropout", replace(FIRST_STEPS, dropout=0.2, input_dropout=0.1)),
    ):
        cpu, gpu = (trained(config, select_backend(where)) for where in ("cpu", device))
        worst[name] = apart(gpu, cpu)
        yield {"relative_difference": worst}
    yield {"passed": max(worst.values()) < 1e-3}
