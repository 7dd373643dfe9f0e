"""What a GPU must show of CUDA graphs: the plain step's parameters."""

from __future__ import annotations

import os
import warnings
from dataclasses import replace
from typing import Any

import numpy as np

from mnn_gpu import RECIPES, TrainingConfig, load_mnist, train
from mnn_gpu.backend import Backend
from mnn_gpu.backend.graphs import cuda_graphs

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


def graphs(gpu: Backend) -> dict[str, Any]:
    """Train plainly and in CUDA graphs: nothing is said, and the parameters are the same."""
    (X, y), _ = load_mnist()
    told: dict[str, Any] = {"passed": True}
    for name, config in CONFIGS.items():
        thetas, said = [], []
        for wanted in ("0", "1"):
            os.environ[cuda_graphs.VARIABLE] = wanted
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always")
                model, _ = train(X[:41_000], y[:41_000], config, backend=gpu)
            thetas.append(model.theta)
            said += [str(warning.message) for warning in caught]
        del os.environ[cuda_graphs.VARIABLE]
        plain, captured = thetas
        apart = float(np.linalg.norm(plain - captured) / np.linalg.norm(plain))
        told[name] = {"relative_difference": apart, "said": said}
        fits = apart < MOST_APART[config.matmul_precision] and not said
        told["passed"] = told["passed"] and fits
    return told
