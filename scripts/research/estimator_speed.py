"""Times mnn_gpu.MLPClassifier beside scikit-learn's, at equal settings, in turn.

    .venv/bin/python -m scripts.research.estimator_speed [--rounds 5]

Prints a line a job and writes scripts/results/estimator.json. Needs the extra sklearn.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import sklearn.neural_network
from sklearn.datasets import load_digits
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GridSearchCV

import mnn_gpu
from mnn_gpu.utils.threads import available_cores
from scripts.benchmarks.harness import environment, processor

RESULT = Path(__file__).parents[1] / "results" / "estimator.json"
CONTENDERS: dict[str, Any] = {
    "mnn_gpu": mnn_gpu.MLPClassifier,
    "scikit-learn": sklearn.neural_network.MLPClassifier,
}
GRID = {"alpha": [1e-4, 1e-2, 1.0], "hidden_layer_sizes": [(32,), (64, 32)]}


def fit(kind: Any, dtype: str, **settings: Any) -> dict[str, float]:
    """Fit 42,000 images of MNIST for ten epochs; return seconds and test accuracy."""
    (X, y), (X_test, y_test) = mnn_gpu.load_mnist()
    X, y = (X[:42_000] / 255).astype(dtype), y[:42_000]
    classifier = kind((128, 64), max_iter=10, random_state=0, **settings)
    started = time.perf_counter()
    classifier.fit(X, y)
    seconds = time.perf_counter() - started
    return {"seconds": seconds, "accuracy": classifier.score((X_test / 255).astype(dtype), y_test)}


def grid_search(kind: Any) -> dict[str, float]:
    """Search six settings of a network for scikit-learn's digits, three folds each."""
    X, y = load_digits(return_X_y=True)
    search = GridSearchCV(kind(max_iter=100, random_state=0), GRID, cv=3)
    started = time.perf_counter()
    search.fit(X / 16, y)
    return {"seconds": time.perf_counter() - started, "accuracy": search.best_score_}


JOBS: dict[str, Callable[[Any], dict[str, float]]] = {
    "fit, 128-64, batch 200, float32": lambda kind: fit(kind, "float32"),
    "fit, 128-64, batch 200, float64": lambda kind: fit(kind, "float64"),
    "fit, 128-64, batch 128, float32": lambda kind: fit(kind, "float32", batch_size=128),
    "grid search on digits, 18 fits": grid_search,
}


def one(contender: str, job: str) -> None:
    """Do a job, in a process of its own."""
    warnings.simplefilter("ignore", ConvergenceWarning)
    np.seterr(all="ignore")
    print(json.dumps(JOBS[job](CONTENDERS[contender])))


def measured(job: str, rounds: int) -> dict[str, Any]:
    """Let both do a job in turn; return medians and the ratio pair by pair."""
    runs: dict[str, list[dict[str, float]]] = {name: [] for name in CONTENDERS}
    for _ in range(rounds):
        for name in CONTENDERS:
            command = [sys.executable, "-m", "scripts.research.estimator_speed", "--one", name, job]
            done = subprocess.run(
                command, capture_output=True, text=True, check=True, env=environment()
            )
            runs[name].append(json.loads(done.stdout))
    seconds = {name: [run["seconds"] for run in some] for name, some in runs.items()}
    ours, theirs = seconds.values()
    return {
        "seconds": {name: statistics.median(some) for name, some in seconds.items()},
        "ratio": statistics.median(b / a for a, b in zip(ours, theirs, strict=True)),
        "ratios": sorted(b / a for a, b in zip(ours, theirs, strict=True)),
        "accuracy": {name: some[0]["accuracy"] for name, some in runs.items()},
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--one", nargs=2, metavar=("CONTENDER", "JOB"), help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.one:
        one(*args.one)
        return
    jobs = {}
    for job in JOBS:
        jobs[job] = measured(job, args.rounds)
        print(f"{job:34} {jobs[job]['ratio']:.2f} times as fast", jobs[job], flush=True)
    result = {
        "date": time.strftime("%Y-%m-%d"),
        "machine": f"{processor()}, {available_cores()} cores, scikit-learn {sklearn.__version__}",
        "threads": os.environ.get("OMP_NUM_THREADS", "as they come"),
        "jobs": jobs,
    }
    RESULT.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
