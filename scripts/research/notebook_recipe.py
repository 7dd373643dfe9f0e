"""Measures the notebook recipe: accuracy over seeds, time an iteration against the notebook.

    .venv/bin/python -m scripts.research.notebook_recipe [--seeds 10] [--rounds 9]

Prints a table and writes scripts/results/notebook-recipe.json.
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from mnn_gpu import TrainingConfig, select_backend, train
from mnn_gpu.backends.diagnosis import blas_name
from mnn_gpu.data import bundled_mnist, split
from scripts.benchmarks.contenders import Notebook
from scripts.benchmarks.harness import spread
from scripts.benchmarks.jobs import JOBS, Problem

RESULT = Path(__file__).parents[1] / "results" / "notebook-recipe.json"
ITERATIONS = 50


def iteration_times(rounds: int) -> dict[str, Any]:
    """Time both in turn, round by round; quote medians and the ratio pair by pair."""
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

    pairs = [(ours(), theirs()) for _ in range(rounds + 1)][1:]
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
        "training_accuracy": spread([run["training"] for run in runs]),
        "held_out_accuracy": spread([run["held_out"] for run in runs]),
        "runs": runs,
    }
    RESULT.write_text(json.dumps(result, indent=2) + "\n")
    print(json.dumps({key: result[key] for key in result if key != "runs"}, indent=2))


if __name__ == "__main__":
    main()
