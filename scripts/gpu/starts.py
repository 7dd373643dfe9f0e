"""What a user's first commands take: the machine, cold and warm starts, the recipes, the tests."""

from __future__ import annotations

import contextlib
import importlib.metadata
import importlib.util
import platform
import shutil
import subprocess
import tempfile
from typing import Any

from mnn_gpu import diagnose
from scripts.benchmarks.device import amount
from scripts.benchmarks.harness import output
from scripts.gpu.outcome import Findings
from scripts.gpu.processes import run, train

QUERY = "driver_version,pstate,clocks.sm,clocks.max.sm,clocks.mem,power.limit,temperature.gpu"
LIBRARIES = ("cupy-cuda13x", "cupy-cuda12x", "numpy", "torch", "jax", "scikit-learn")
SMALL = ("--hidden", "128", "64", "--optimizer", "adam", "--lr", "0.003", "--batch-size", "128")
TINY = ("--rows", "400", "--batch-size", "128")
JOBS = {
    "default recipe": amount((), ("--rows", "400", "--iterations", "3")),
    "784-128-64-10, 1 epoch": (*SMALL, "--epochs", "1", *amount((), TINY)),
}
STATES = amount(("cold", "warm", "warm again"), ("cold", "warm"))
TESTS = amount(("tests",), ("tests/support/test_cuda_standin.py", "-k", "counted"))


def machine(device: str) -> Findings:
    """Name card, driver, clocks and versions; measure what the card can do at most."""
    report = diagnose()
    print(report)
    versions: dict[str, str] = {"python": platform.python_version()}
    for library in LIBRARIES:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            versions[library] = importlib.metadata.version(library)
    found: dict[str, Any] = {
        "card": platform.processor() or "cpu",
        "driver": "none",
        "versions": versions,
    }
    if device != "cpu":
        found |= {"card": report.gpus[0].name or "gpu", "gpus": len(report.gpus)} | nvidia_smi()
    works = device == "cpu" or any(gpu.stages[-1].passed for gpu in report.gpus)
    yield {"machine": found, "passed": works}
    if works and device != "cpu":
        yield {"limits": output("scripts.benchmarks.gpu_limits")}


def nvidia_smi() -> dict[str, str]:
    """Return the driver and the clocks of the first GPU."""
    if shutil.which("nvidia-smi") is None:
        return {"driver": "unknown"}
    command = ["nvidia-smi", "-i", "0", f"--query-gpu={QUERY}", "--format=csv,noheader"]
    values = subprocess.run(command, capture_output=True, text=True, check=False).stdout.split(",")
    names = ["driver", *QUERY.split(",")[1:]]
    return {name: value.strip() for name, value in zip(names, values, strict=False)}


def start(device: str) -> Findings:
    """Train by the command line with an empty cache of kernels, and again with a full one."""
    for job, options in JOBS.items():
        with tempfile.TemporaryDirectory() as folder:
            caches = {"CUPY_CACHE_DIR": f"{folder}/cupy", "CUDA_CACHE_PATH": f"{folder}/cuda"}
            found = {}
            for state in STATES:
                report = train(
                    "--device", device, *options, "--out", f"{folder}/{state}.safetensors", **caches
                )
                found[state] = {
                    "process_seconds": report["process_seconds"],
                    "training_seconds": report["seconds"],
                    "ms_per_iteration": report["seconds"] / report["iterations"] * 1e3,
                    "training_accuracy": report["training"]["accuracy"],
                }
                yield {job: found}
    yield {"passed": all(one["training_accuracy"] > amount(0.88, 0.0) for one in found.values())}


def recipes(device: str) -> Findings:
    """Train by the command line by the other recipes, some epochs of the long ones."""
    accuracies = []
    for name, epochs in (("fast", "8"), ("accurate", "3"), ("record", "2")):
        with tempfile.TemporaryDirectory() as folder:
            options = ("--recipe", name, "--epochs", epochs, "--out", f"{folder}/m.safetensors")
            report = train("--device", device, *options, *amount((), (*TINY, "--hidden", "16")))
        accuracies.append(report["held_out"]["accuracy"])
        yield {
            name: {
                "seconds_per_epoch": report["seconds"] / int(epochs),
                "held_out_accuracy": accuracies[-1],
            }
        }
    yield {"passed": min(accuracies) > amount(0.95, 0.0)}


def tests(device: str) -> Findings:
    """Run the tests that need a GPU; none may be skipped."""
    # Most of the time is CuPy's, compiling kernels: side by side where pytest-xdist is there.
    many = ["-n", amount("12", "1")] if importlib.util.find_spec("xdist") else []
    # A GPU machine may lack what the notebook's own test imports; it has no test marked gpu.
    ignored = [] if importlib.util.find_spec("nbformat") else ["--ignore=tests/test_ipynb.py"]
    options = (*ignored, "-q", "-m", "gpu", "-p", "no:benchmark", "-p", "no:cacheprovider", *many)
    result = run("-m", "pytest", *TESTS, *options, MNN_REQUIRE_GPU="0" if device == "cpu" else "1")
    lines = result.stdout.strip().splitlines() or [result.stderr.strip()[-300:]]
    failures = [line[:300] for line in lines if line.startswith(("FAILED", "ERROR"))]
    if result.returncode:
        print(result.stdout[-6000:], result.stderr[-2000:])
    yield {"tests": lines[-1], "failures": failures, "passed": result.returncode == 0}
