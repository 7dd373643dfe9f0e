"""Measures the notebook recipe: accuracy over seeds, time an iteration against the notebook.

    .venv/bin/python scripts/notebook_recipe.py [--seeds 10] [--rounds 9]

Prints a table and writes scripts/results/notebook-recipe.json.
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from mnn_gpu import TrainingConfig, select_backend, train
from mnn_gpu.backend.report import blas_name
from mnn_gpu.data import bundled_mnist, split

RESULT = Path(__file__).parent / "results" / "notebook-recipe.json"
ITERATIONS = 50


def notebook_iteration(X: Any, Y: Any) -> Callable[[], None]:
    """Return one iteration of the notebook's own mathematics, float64, as it stands there."""
    rng = np.random.default_rng(0)
    W1, b1 = rng.normal(size=(10, 784)) * np.sqrt(1 / 784), rng.normal(size=(10, 1)) / np.sqrt(10)
    W2, b2 = rng.normal(size=(10, 10)) * np.sqrt(1 / 20), rng.normal(size=(10, 1)) / np.sqrt(10)
    W3, b3 = rng.normal(size=(10, 10)) * np.sqrt(1 / 20), rng.normal(size=(10, 1)) / np.sqrt(784)
    m, alpha = X.shape[1], 0.1

    def iteration() -> None:
        nonlocal W1, b1, W2, b2, W3, b3
        Z1 = W1.dot(X) + b1
        A1 = np.maximum(Z1, 0)
        Z2 = W2.dot(A1) + b2
        A2 = np.maximum(Z2, 0)
        Z3 = W3.dot(A2) + b3
        A3 = np.exp(Z3) / sum(np.exp(Z3))
        hot = np.zeros((Y.size, Y.max() + 1))
        hot[np.arange(Y.size), Y] = 1
        dZ3 = A3 - hot.T
        dW3, db3 = 1 / m * dZ3.dot(A2.T), 1 / m * np.sum(dZ3)
        dZ2 = W3.T.dot(dZ3) * (Z2 > 0)
        dW2, db2 = 1 / m * dZ2.dot(A1.T), 1 / m * np.sum(dZ2)
        dZ1 = W2.T.dot(dZ2) * (Z1 > 0)
        dW1, db1 = 1 / m * dZ1.dot(X.T), 1 / m * np.sum(dZ1)
        W1, b1 = W1 - alpha * dW1, b1 - alpha * db1
        W2, b2 = W2 - alpha * dW2, b2 - alpha * db2
        W3, b3 = W3 - alpha * dW3, b3 - alpha * db3

    return iteration


def timed(function: Callable[[], object]) -> float:
    """Return the seconds of one call, averaged over a few in a row."""
    started = time.perf_counter()
    for _ in range(ITERATIONS):
        function()
    return (time.perf_counter() - started) / ITERATIONS


def iteration_times(rounds: int) -> dict[str, Any]:
    """Time both in turn, round by round; quote medians and the ratio pair by pair."""
    training, _ = split(bundled_mnist("train"), 1000, 0, 42_000)
    X, y, cpu = training.X, training.labels(), select_backend("cpu")
    config = TrainingConfig(iterations=ITERATIONS)

    def ours() -> float:
        _, history = train(X, y, config, backend=cpu)
        return history.seconds / ITERATIONS

    theirs = notebook_iteration(X.T / 255, y)
    ours(), timed(theirs)
    pairs = [(ours(), timed(theirs)) for _ in range(rounds)]
    return {
        "mnn_gpu_ms": statistics.median(a for a, _ in pairs) * 1e3,
        "notebook_float64_ms": statistics.median(b for _, b in pairs) * 1e3,
        "ratio": statistics.median(a / b for a, b in pairs),
        "rounds": rounds,
    }


def accuracies(seeds: range) -> list[dict[str, float]]:
    """Run the recipe for every seed: its own split, parameters and 1,000 iterations."""
    results = []
    for seed in seeds:
        training, held_out = split(bundled_mnist("train"), 1000, seed, 42_000)
        _, history = train(
            training.X,
            training.labels(),
            TrainingConfig(seed=seed),
            backend=select_backend("cpu"),
            validation=(held_out.X, held_out.labels()),
        )
        assert history.validation is not None
        result = {
            "seed": seed,
            "training": history.training.accuracy,
            "held_out": history.validation.accuracy,
            "loss": history.training.loss,
            "seconds": history.seconds,
        }
        print(json.dumps(result), flush=True)
        results.append(result)
    return results


def summary(values: list[float]) -> dict[str, float]:
    return {
        "mean": statistics.mean(values),
        "sd": statistics.stdev(values) if len(values) > 1 else 0.0,
        "min": min(values),
        "max": max(values),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument(
        "--seeds",
        type=int,
        default=10,
        help="run seeds 0 to N-1 (default: 10; 0: keep the accuracies, time only)",
    )
    parser.add_argument("--rounds", type=int, default=9, help="timing rounds (default: 9)")
    args = parser.parse_args()
    times = iteration_times(args.rounds)
    print(json.dumps(times), flush=True)
    runs = accuracies(range(args.seeds)) or json.loads(RESULT.read_text())["runs"]
    result = {
        "date": time.strftime("%Y-%m-%d"),
        "machine": f"{platform.machine()}, NumPy {np.__version__}, {blas_name()}",
        "iteration": times,
        "training_accuracy": summary([run["training"] for run in runs]),
        "held_out_accuracy": summary([run["held_out"] for run in runs]),
        "runs": runs,
    }
    RESULT.write_text(json.dumps(result, indent=2) + "\n")
    print(json.dumps({key: result[key] for key in result if key != "runs"}, indent=2))


if __name__ == "__main__":
    main()
