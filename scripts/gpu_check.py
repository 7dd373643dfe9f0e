"""Everything a GPU must show, in one run: tests, a real training, agreement with the CPU.

    scripts/gpu-check             run it all; needs an NVIDIA GPU, CuPy and pytest
    scripts/gpu-check --dry-run   only list what it would do

Prints each outcome and writes scripts/results/<gpu>-<date>.json, and .md to read, after every
check. Exits with 1 if a check fails and with 3 if no GPU works.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.util
import io
import json
import os
import re
import subprocess
import sys
import tempfile
import time
import traceback
import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from mnn_gpu import RECIPES, TrainingConfig, diagnose, load_mnist, select_backend, train
from mnn_gpu.backend import Backend
from mnn_gpu.data import bundled_mnist, split
from scripts import gpu_arrays, gpu_faults, gpu_graphs, gpu_ranks, gpu_report

ROOT = Path(__file__).parent.parent
RESULTS = ROOT / "scripts" / "results"
FIRST_STEPS = replace(
    RECIPES["accurate"].config, epochs=None, iterations=100, learning_rate=1e-4, hidden=(128, 64)
)
Check = Callable[[Backend], dict[str, Any]]


def run(*command: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a command of this Python in the repository's root."""
    return subprocess.run(
        [sys.executable, *command],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={**os.environ, **environment},
        check=False,
    )


def tests(_: Backend) -> dict[str, Any]:
    """Run the tests that need a GPU; none may be skipped."""
    # Most of the time is CuPy's, compiling kernels: side by side where pytest-xdist is there.
    many = ["-n", "12"] if importlib.util.find_spec("xdist") else []
    result = run(
        "-m", "pytest", "-q", "-m", "gpu", "-p", "no:benchmark", *many, MNN_REQUIRE_GPU="1"
    )
    lines = result.stdout.strip().splitlines() or [result.stderr.strip()[-300:]]
    if result.returncode:
        print(result.stdout[-6000:], result.stderr[-2000:])
    return {"passed": result.returncode == 0, "outcome": lines[-1]}


def command_line(_: Backend) -> dict[str, Any]:
    """Train the default recipe with `train --device cuda` and evaluate the model."""
    with tempfile.TemporaryDirectory() as folder:
        model = str(Path(folder) / "m.safetensors")
        started = time.perf_counter()
        trained = run("-m", "mnn_gpu", "train", "--device", "cuda", "--json", "-q", "--out", model)
        seconds = time.perf_counter() - started
        if trained.returncode:
            return {"passed": False, "outcome": trained.stderr.strip()[-500:]}
        report = json.loads(trained.stdout)
        tested = run("-m", "mnn_gpu", "evaluate", model, "--device", "cuda", "--json")
    return {
        "passed": report["training"]["accuracy"] > 0.88 and tested.returncode == 0,
        "process_seconds": seconds,
        "ms_per_iteration": report["seconds"] / report["iterations"] * 1e3,
        "training_accuracy": report["training"]["accuracy"],
        "test_accuracy": json.loads(tested.stdout)["accuracy"],
    }


def agreement(gpu: Backend) -> dict[str, Any]:
    """Train 100 steps on CPU and GPU from the same seed and compare the parameters."""
    training, _ = split(bundled_mnist("train"), 1000, 0, 42_000)
    worst = {}
    for name, config in (
        ("full batch", TrainingConfig(iterations=100)),
        ("batch 128", TrainingConfig(iterations=100, batch_size=128, hidden=(128, 64))),
        ("deformed", FIRST_STEPS),
        ("dropout", replace(FIRST_STEPS, dropout=0.2, input_dropout=0.1)),
    ):
        cpu_model, gpu_model = (
            train(training.X, training.labels(), config, backend=backend)[0]
            for backend in (select_backend("cpu"), gpu)
        )
        apart = np.linalg.norm(cpu_model.theta - gpu_model.theta)
        worst[name] = float(apart / np.linalg.norm(cpu_model.theta))
    return {"passed": max(worst.values()) < 1e-3, "relative_difference": worst}


def repeatability(gpu: Backend) -> dict[str, Any]:
    """Train twice from one seed: the same bits."""
    training, _ = split(bundled_mnist("train"), 1000, 0, 10_000)
    same = {}
    for name, config in (
        ("batch 128", TrainingConfig(iterations=100, batch_size=128)),
        ("deformed", replace(FIRST_STEPS, dropout=0.2)),
    ):
        one, two = (
            train(training.X, training.labels(), config, backend=gpu)[0].theta for _ in range(2)
        )
        same[name] = bool(np.array_equal(one, two))
    return {"passed": all(same.values()), "same": same}


def recipe(gpu: Backend) -> dict[str, Any]:
    """Train some epochs of the record recipe on all of MNIST; time them, see them learn."""
    training, held_out = split(bundled_mnist("train"), 1000, 0)
    config = replace(RECIPES["record"].config, epochs=5)
    _, history = train(
        training.X,
        training.labels(),
        config,
        backend=gpu,
        validation=(held_out.X, held_out.labels()),
    )
    first, last = history.records[0], history.records[-1]
    return {
        "passed": (last.validation_accuracy or 0) > 0.97,
        "seconds_per_epoch": (last.seconds - first.seconds) / (last.epoch - first.epoch),
        "held_out_accuracy": last.validation_accuracy,
    }


def recipes(_: Backend) -> dict[str, Any]:
    """Train with `train --device cuda` by the other recipes, some epochs of the long ones."""
    told: dict[str, Any] = {}
    for name, epochs in (("fast", "8"), ("accurate", "3"), ("record", "2")):
        with tempfile.TemporaryDirectory() as folder:
            options = ["--recipe", name, "--epochs", epochs, "--out", f"{folder}/model"]
            result = run("-m", "mnn_gpu", "train", "--device", "cuda", "--json", "-q", *options)
        if result.returncode:
            return {"passed": False, "outcome": result.stderr.strip()[-500:]}
        report = json.loads(result.stdout)
        told[name] = {
            "seconds_per_epoch": report["seconds"] / int(epochs),
            "held_out_accuracy": report["held_out"]["accuracy"],
        }
    return {"passed": all(one["held_out_accuracy"] > 0.95 for one in told.values()), **told}


def others_arrays(gpu: Backend) -> dict[str, Any]:
    """Run the notebook's cells on CuPy's arrays, and on torch's and JAX's of the GPU."""
    from mnn_gpu.notebook import gradient_descent

    (X, y), _ = load_mnist()
    host, labels = (X[:5000].T / 255).astype("float32"), y[:5000].astype(int)
    with gpu.active(), contextlib.redirect_stdout(io.StringIO()):
        there: dict[str, Any] = {"cupy": (gpu.asarray(host), gpu.asarray(labels))}
        for name in ("torch", "jax"):
            if importlib.util.find_spec(name) is not None:
                there[name] = getattr(gpu_arrays, name)(host, labels)
        found = {
            name: type(gradient_descent(X_there, Y_there, 5, 0.1)[0])
            for name, (X_there, Y_there) in there.items()
        }
    same = {name: kind is type(there[name][0]) for name, kind in found.items()}
    return {"passed": all(same.values()), "their own arrays come out": same}


def benchmarks(_: Backend) -> dict[str, Any]:
    """Measure steps and the way to 98 % against PyTorch and JAX; see gpu_bench."""
    result = run("-m", "scripts.gpu_bench", "--rounds", "3", "--jobs", "a", "c", "d", "m", "e2")
    if result.returncode:
        return {"passed": False, "outcome": result.stderr.strip()[-500:]}
    print(result.stdout.rpartition("\n{")[0])
    figures = json.loads(result.stdout.strip().splitlines()[-1])
    refused = {job: one["left_out"] for job, one in figures.items() if "left_out" in one}
    ours = any("mnn_gpu" in name for left in refused.values() for name in left)
    return {"passed": not ours, **figures}


def memory(gpu: Backend) -> dict[str, Any]:
    """See that a finished training gives its memory back."""
    training, _ = split(bundled_mnist("train"), 1000, 0, 42_000)
    config = TrainingConfig(iterations=3)
    free = []
    for _ in range(3):
        train(training.X, training.labels(), config, backend=gpu)
        free.append(gpu.memory().free or 0)
    return {"passed": free[-1] >= free[0], "free_bytes": free}


def estimator(gpu: Backend) -> dict[str, Any]:
    """Fit MLPClassifier to arrays on the GPU: it is scikit-learn's, and answers there."""
    import sklearn.neural_network

    from mnn_gpu import MLPClassifier

    (X, y), (X_test, y_test) = load_mnist()
    X, X_test, y = (X / 255).astype("float32"), (X_test / 255).astype("float32"), y.astype("int32")
    settings: dict[str, Any] = {"max_iter": 2, "random_state": 0, "batch_size": 128}
    here, labels = gpu.asarray(X), gpu.asarray(y)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs, theirs_seconds = timed(
            lambda: sklearn.neural_network.MLPClassifier((128, 64), **settings).fit(X, y)
        )
        ours, seconds = timed(lambda: MLPClassifier((128, 64), **settings).fit(here, labels))
    found = ours.predict(gpu.asarray(X_test))
    scores = [float(one.score(X_test, y_test)) for one in (ours, theirs)]
    return {
        "passed": type(found) is type(here) and abs(scores[0] - scores[1]) < 0.01,
        "fit_seconds": {"mnn_gpu": seconds, "scikit-learn": theirs_seconds},
        "test_accuracy": {"mnn_gpu": scores[0], "scikit-learn": scores[1]},
    }


def timed(work: Callable[[], Any]) -> tuple[Any, float]:
    """Return what it returns, and the seconds that it took."""
    started = time.perf_counter()
    result = work()
    return result, time.perf_counter() - started


CHECKS: dict[str, Check] = {
    "GPU tests": tests,
    "train --device cuda": command_line,
    "CPU and GPU agree": agreement,
    "same seed, same bits": repeatability,
    "record recipe": recipe,
    "recipes": recipes,
    "memory given back": memory,
    "want of memory": gpu_faults.want_of_memory,
    "moved elsewhere": gpu_faults.another_device,
    "MLPClassifier": estimator,
    "others' arrays": others_arrays,
    "CUDA graphs": gpu_graphs.graphs,
    "NCCL": gpu_ranks.nccl,
    "two ranks, one GPU": gpu_ranks.two_ranks,
    "benchmarks": benchmarks,
}


def _tried(check: Check, gpu: Backend) -> dict[str, Any]:
    """Run a check; what it raises is its outcome, so that those after it run too."""
    try:
        return check(gpu)
    except Exception as error:
        traceback.print_exc()
        return {"passed": False, "outcome": f"{type(error).__name__}: {error}"}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--dry-run", action="store_true", help="list the checks, run none")
    parser.add_argument("--only", nargs="+", choices=CHECKS, help="some of them (default: all)")
    options = parser.parse_args()
    checks = {name: CHECKS[name] for name in options.only or CHECKS}
    if options.dry_run:
        for name, check in checks.items():
            print(f"{name:22}{check.__doc__}")
        return 0
    report = diagnose()
    print(report)
    if not any(gpu.stages[-1].passed for gpu in report.gpus):
        return 3
    gpu = select_backend("cuda")
    results: dict[str, Any] = {}
    record = {"date": time.strftime("%Y-%m-%d"), "machine": report.as_dict(), "checks": results}
    card = re.sub(r"[^a-z0-9]+", "-", (report.gpus[0].name or "gpu").lower()).strip("-")
    path = RESULTS / f"{card}-{record['date']}.json"
    if path.exists():  # Of the same day: what is not run again stays.
        results |= json.loads(path.read_text())["checks"]
    for name, check in checks.items():
        started = time.perf_counter()
        results[name] = _tried(check, gpu) | {"seconds": time.perf_counter() - started}
        print(
            f"{'PASS' if results[name]['passed'] else 'FAIL'}  {name}: {results[name]}", flush=True
        )
        # Each time: the machine may be taken away before the end.
        path.write_text(json.dumps(record, indent=2) + "\n")
        path.with_suffix(".md").write_text(gpu_report.page(record))
    print(f"\n{gpu_report.page(record)}\nwritten to {path.relative_to(ROOT)} and .md")
    return 0 if all(results[name]["passed"] for name in checks) else 1


if __name__ == "__main__":
    sys.exit(main())
