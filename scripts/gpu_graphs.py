"""What a GPU must show of CUDA graphs: the plain step's parameters, in less time."""

from __future__ import annotations

import os
import warnings
from dataclasses import replace
from typing import Any

import numpy as np

from mnn_gpu import RECIPES, TrainingConfig, load_mnist, train
from mnn_gpu.backend import Backend
from mnn_gpu.backend.graphs import cuda_graphs

SMALL = TrainingConfig(batch_size=128, optimizer="adam", learning_rate=1e-3, iterations=640)
CONFIGS = {
    "784-10-10-10, full batches": TrainingConfig(iterations=300),
    "784-10-10-10, batch 128": SMALL,
    "784-128-64-10, batch 128": replace(SMALL, hidden=(128, 64)),
    "784-1000-500-10, deformed": replace(RECIPES["accurate"].config, epochs=1),
    "784-1000-500-10, deformed, tf32": replace(
        RECIPES["accurate"].config, epochs=1, matmul_precision="tf32"
    ),
    "784-1000-500-10, deformed, bf16": replace(
        RECIPES["accurate"].config, epochs=1, matmul_precision="bf16"
    ),
}


def graphs(gpu: Backend) -> dict[str, Any]:
    """Train plainly and in CUDA graphs: nothing is said, the same to rounding, and how fast."""
    (X, y), _ = load_mnist()
    told: dict[str, Any] = {"passed": True}
    for name, config in CONFIGS.items():
        found = {}
        for wanted in ("0", "1"):
            os.environ[cuda_graphs.VARIABLE] = wanted
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always")
                model, history = train(X[:41_000], y[:41_000], config, backend=gpu)
            seconds = history.seconds / history.iterations
            found[wanted] = model.theta, seconds, [str(warning.message) for warning in caught]
        del os.environ[cuda_graphs.VARIABLE]
        (plain, before, _), (captured, after, said) = found["0"], found["1"]
        apart = float(np.linalg.norm(plain - captured) / np.linalg.norm(plain))
        told[name] = {
            "relative_difference": apart,
            "microseconds": {"plain": before * 1e6, "captured": after * 1e6},
            "said": said,
        }
        told["passed"] = told["passed"] and apart < 1e-3 and not said
    return told
