"""How it is measured: a process a contender, in turn, round by round; medians and ratios."""

from __future__ import annotations

import importlib.metadata
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from scripts.benchmarks.jobs import Job, Problem

ROOT = Path(__file__).parent.parent.parent
OURS = "mnn_gpu"
SETTLE_SECONDS = 0.2
LOSS_TOLERANCE = 2e-3
"""Of what the steps gained; float32 rounding grows to a quarter of that within a job."""


def environment() -> dict[str, str]:
    """Return the environment without settings of OpenBLAS: each library chooses for itself."""
    return {name: v for name, v in os.environ.items() if not name.startswith("OPENBLAS_")}


class Worker:
    """A contender at work on a job in a process of its own."""

    def __init__(self, contender: str, job: Job) -> None:
        self.contender = contender
        self.process = subprocess.Popen(
            [sys.executable, "-m", "scripts.benchmarks.worker", contender, job.name],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            env=environment(),
        )
        self.left_out: str | None = self._answer().get("left_out")

    def ask(self, command: str) -> Any:
        assert self.process.stdin is not None
        print(command, file=self.process.stdin, flush=True)
        return next(iter(self._answer().values()))

    def _answer(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            return {"left_out": f"it ended with code {self.process.wait()}"}
        answer: dict[str, Any] = json.loads(line)
        return answer

    def end(self) -> None:
        self.process.kill()
        self.process.wait()


def measured(job: Job, contenders: Sequence[str], rounds: int) -> dict[str, Any]:
    """Measure a job; contenders that cannot do it, or do other work, are refused by name."""
    workers, refused = [], {}
    for contender in contenders:
        worker = Worker(contender, job)
        if worker.left_out:
            refused[contender] = worker.left_out
            worker.end()
        else:
            workers.append(worker)
    try:
        first_seconds = {w.contender: w.ask("advance") for w in workers}
        losses = {w.contender: w.ask("loss") for w in workers}
        expected = losses[OURS]
        problem = Problem.of(job)
        start = problem.loss(problem.theta)
        for worker in list(workers):
            if abs(losses[worker.contender] - expected) > LOSS_TOLERANCE * (start - expected):
                refused[worker.contender] = (
                    f"other work: loss {losses[worker.contender]:.6f}, not {expected:.6f}"
                )
                workers.remove(worker)
                worker.end()
        seconds: dict[str, list[float]] = {w.contender: [] for w in workers}
        for i in range(rounds):
            for worker in workers[i % len(workers) :] + workers[: i % len(workers)]:
                # The threads of the one before spin on for a while after its work.
                time.sleep(SETTLE_SECONDS)
                worker.ask("warm up")
                seconds[worker.contender].append(worker.ask("advance") / job.steps)
        memory = {w.contender: w.ask("memory") for w in workers}
    finally:
        for worker in workers:
            worker.end()
    rows = {
        name: {
            "median": statistics.median(values),
            "quartiles": statistics.quantiles(values, n=4)[::2],
            "ratio": statistics.median(v / o for v, o in zip(values, seconds[OURS], strict=True)),
            "first_call": first_seconds[name],
            "loss": losses[name],
            "peak_memory": memory[name],
        }
        for name, values in seconds.items()
    }
    return {
        "title": job.title,
        "steps": job.steps,
        "flops": job.flops,
        "start_loss": start,
        "contenders": rows,
        "left_out": refused,
    }


def machine() -> dict[str, Any]:
    """Return what the figures depend on: processor, versions, and the limits now."""
    versions: dict[str, str | None] = {}
    for package in ("numpy", "torch", "jax", "scikit-learn"):
        try:
            versions[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            versions[package] = None
    cpu = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists():
        lines = [line for line in info.read_text().splitlines() if line.startswith("model name")]
        cpu = lines[0].partition(":")[2].strip() if lines else cpu
    return {
        "date": time.strftime("%Y-%m-%d"),
        "cpu": cpu,
        "cores": len(os.sched_getaffinity(0)),
        "python": platform.python_version(),
        "versions": versions,
        "limits": limits(),
    }


def limits() -> dict[str, float]:
    """Measure the machine's limits in a process of their own."""
    result = subprocess.run(
        [sys.executable, "-m", "scripts.benchmarks.limits"],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env=environment(),
        check=True,
    )
    measured_limits: dict[str, float] = json.loads(result.stdout)
    return measured_limits
