"""Measures the notebook recipe: accuracy over seeds, and its iterations beside the notebook's.

    python -m scripts.research.notebook_recipe [--seeds 10] [--rounds 9]

Prints the figures and writes scripts/results/notebook-recipe.json.
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import time
from dataclasses import replace
from typing import Any

import numpy as np

from mnn_gpu import TrainingConfig, select_backend, train
from mnn_gpu.backends.diagnosis import blas_name
from mnn_gpu.data import bundled_mnist, split
from scripts.benchmarks.contenders import Notebook
from scripts.benchmarks.harness import RESULTS, in_turn, ratio, save, spread
from scripts.benchmarks.jobs import JOBS, Problem

ITERATIONS = 50


def iteration_times(rounds: int) -> dict[str, Any]:
    """Time both in turn, round by round; return medians and the ratio pair by pair."""
    problem = Problem.of(replace(JOBS["a"], steps=ITERATIONS))
    config, cpu = TrainingConfig(iterations=ITERATIONS), select_backend("cpu")
    notebook = Notebook(problem)
    notebook.start(problem.theta)
    notebook.prepare(None, problem.job.learning_rate)

    def ours() -> float:
        _, history = train(problem.X, problem.y, config, backend=cpu)
        return history.seconds / ITERATIONS

    def theirs() -> float:
        started = time.perf_counter()
        notebook.advance()
        return (time.perf_counter() - started) / ITERATIONS

    times = in_turn(rounds + 1, {"mnn_gpu": ours, "notebook": theirs})
    a, b = (some[1:] for some in times.values())
    return {
        "mnn_gpu_ms": statistics.median(a) * 1e3,
        "notebook_float64_ms": statistics.median(b) * 1e3,
        "ratio": ratio(a, b),
        "rounds": rounds,
    }


def accuracy(seed: int) -> dict[str, float]:
    """Run the recipe for a seed: its own split, parameters and 1,000 iterations."""
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
    return result


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
    earlier = (RESULTS / "notebook-recipe.json").read_text()
    runs = [accuracy(seed) for seed in range(args.seeds)] or json.loads(earlier)["runs"]
    result = {
        "date": time.strftime("%Y-%m-%d"),
        "machine": f"{platform.machine()}, NumPy {np.__version__}, {blas_name()}",
        "iteration": times,
        "training_accuracy": spread([run["training"] for run in runs]),
        "held_out_accuracy": spread([run["held_out"] for run in runs]),
        "runs": runs,
    }
    save("notebook-recipe", result)


if __name__ == "__main__":
    main()
