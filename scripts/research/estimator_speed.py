"""Times mnn_gpu.MLPClassifier beside scikit-learn's, at equal settings, in turn.

    python -m scripts.research.estimator_speed [--rounds 5]

Prints a line for each job and writes scripts/results/estimator.json. Needs the extra sklearn.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import time
import warnings
from functools import partial
from typing import Any

import numpy as np
import sklearn.neural_network
from sklearn.datasets import load_digits
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GridSearchCV

import mnn_gpu
from mnn_gpu.utils.threads import available_cores
from scripts.benchmarks.harness import in_turn, output, processor, ratio, save

CONTENDERS: dict[str, Any] = {
    "mnn_gpu": mnn_gpu.MLPClassifier,
    "scikit-learn": sklearn.neural_network.MLPClassifier,
}
GRID = {"alpha": [1e-4, 1e-2, 1.0], "hidden_layer_sizes": [(32,), (64, 32)]}
SEARCH = "grid search on digits, 18 fits"
FITS = {
    "fit, 128-64, batch 200, float32": ("float32", 200),
    "fit, 128-64, batch 200, float64": ("float64", 200),
    "fit, 128-64, batch 128, float32": ("float32", 128),
}


def work(kind: Any, job: str) -> dict[str, float]:
    """Fit 42,000 images for ten epochs, or search six settings on scikit-learn's digits."""
    if job == SEARCH:
        X, y = load_digits(return_X_y=True)
        search = GridSearchCV(kind(max_iter=100, random_state=0), GRID, cv=3)
        started = time.perf_counter()
        search.fit(X / 16, y)
        return {"seconds": time.perf_counter() - started, "accuracy": search.best_score_}
    dtype, batch_size = FITS[job]
    (X, y), (X_test, y_test) = mnn_gpu.load_mnist()
    X, X_test = ((pixels / 255).astype(dtype) for pixels in (X[:42_000], X_test))
    classifier = kind((128, 64), max_iter=10, random_state=0, batch_size=batch_size)
    started = time.perf_counter()
    classifier.fit(X, y[:42_000])
    seconds = time.perf_counter() - started
    return {"seconds": seconds, "accuracy": classifier.score(X_test, y_test)}


def measured(job: str, rounds: int) -> dict[str, Any]:
    """Let both do a job in turn, each time in a new process; return medians and ratios."""
    module = "scripts.research.estimator_speed"
    runs = in_turn(
        rounds, {name: partial(output, module, "--one", name, job) for name in CONTENDERS}
    )
    seconds = {name: [run["seconds"] for run in some] for name, some in runs.items()}
    ours, theirs = seconds.values()
    return {
        "seconds": {name: statistics.median(some) for name, some in seconds.items()},
        "ratio": ratio(theirs, ours),
        "ratios": sorted(b / a for a, b in zip(ours, theirs, strict=True)),
        "accuracy": {name: some[0]["accuracy"] for name, some in runs.items()},
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--one", nargs=2, metavar=("CONTENDER", "JOB"), help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.one:
        warnings.simplefilter("ignore", ConvergenceWarning)
        np.seterr(all="ignore")
        print(json.dumps(work(CONTENDERS[args.one[0]], args.one[1])))
        return
    jobs = {}
    for job in (*FITS, SEARCH):
        jobs[job] = measured(job, args.rounds)
        print(f"{job:34} {jobs[job]['ratio']:.2f} times as fast", jobs[job], flush=True)
    about = {
        "date": time.strftime("%Y-%m-%d"),
        "machine": f"{processor()}, {available_cores()} cores, scikit-learn {sklearn.__version__}",
        "threads": os.environ.get("OMP_NUM_THREADS", "as they come"),
    }
    save("estimator", about | {"jobs": jobs})


if __name__ == "__main__":
    main()
