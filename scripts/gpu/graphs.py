"""What a GPU must show of its results: those of the plain step, of the CPU, of the time before."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from functools import partial
from typing import Any
from unittest import mock

import numpy as np

from mnn_gpu import RECIPES, TrainingConfig, load_mnist, select_backend, train
from mnn_gpu.backend import Backend
from mnn_gpu.backend.graphs import capture, cuda_graphs, order
from scripts.gpu.faults import apart, warned, with_cupy
from scripts.gpu.outcome import Findings

SMALL = TrainingConfig(batch_size=128, optimizer="adam", learning_rate=1e-3, iterations=64)
ACCURATE = replace(RECIPES["accurate"].config, epochs=None, iterations=64, learning_rate=1e-4)
CONFIGS = {
    "784-10-10-10, full batches": TrainingConfig(iterations=100),
    "784-10-10-10, batch 128": SMALL,
    "784-128-64-10, batch 128": replace(SMALL, hidden=(128, 64)),
    "784-1000-500-10, deformed": ACCURATE,
    "784-1000-500-10, deformed, tf32": replace(ACCURATE, matmul_precision="tf32"),
    "784-1000-500-10, deformed, bf16": replace(ACCURATE, matmul_precision="bf16"),
}
MOST_APART = {"full": 1e-3, "tf32": 1e-2, "bf16": 1e-2}
"""Of all parameters: where a number is rounded the other way, a unit may fall silent."""
FIRST_STEPS = replace(ACCURATE, iterations=100, hidden=(128, 64))
REPLAYS = 200


def trained(config: TrainingConfig, backend: Backend, rows: int = 41_000) -> Any:
    """Return the parameters after training on MNIST."""
    (X, y), _ = load_mnist()
    return train(X[:rows], y[:rows], config, backend=backend)[0].theta


def graphs_agree(device: str) -> Findings:
    """Train plainly and in CUDA graphs: no warning, and the same parameters."""
    gpu = with_cupy(device)
    passed = []
    for name, config in CONFIGS.items():
        thetas = []
        with warned() as said:
            for wanted in ("0", "1"):
                with mock.patch.dict(os.environ, {cuda_graphs.VARIABLE: wanted}):
                    thetas.append(trained(config, gpu))
        difference = apart(thetas[1], thetas[0])
        passed.append(difference < MOST_APART[config.matmul_precision] and not said)
        yield {name: {"relative_difference": difference, "said": said}}
    yield {"passed": all(passed)}


def same_bits(device: str) -> Findings:
    """Train twice, and 200 graphs on four streams and on one: the same bits every time."""
    gpu = with_cupy(device)
    long = replace(SMALL, hidden=(128, 64), iterations=REPLAYS * gpu.steps_per_call)
    jobs: dict[str, tuple[TrainingConfig, Callable[[], AbstractContextManager[Any]]]] = {
        "twice, 784-10-10-10": (SMALL, nullcontext),
        "twice, deformed": (replace(FIRST_STEPS, dropout=0.2), nullcontext),
        "one stream, 784-128-64-10": (long, one_lane),
        "one stream, full batches": (TrainingConfig(iterations=200), one_lane),
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
    return mock.patch.object(capture, "turns", partial(order.turns, lanes=1))


def agreement(device: str) -> Findings:
    """Train 100 steps on CPU and GPU from the same seed and compare the parameters."""
    worst = {}
    for name, config in (
        ("full batch", TrainingConfig(iterations=100)),
        ("batch 128", TrainingConfig(iterations=100, batch_size=128, hidden=(128, 64))),
        ("deformed", FIRST_STEPS),
        ("dropout", replace(FIRST_STEPS, dropout=0.2, input_dropout=0.1)),
    ):
        cpu, gpu = (trained(config, select_backend(where)) for where in ("cpu", device))
        worst[name] = apart(gpu, cpu)
        yield {"relative_difference": worst}
    yield {"passed": max(worst.values()) < 1e-3}
