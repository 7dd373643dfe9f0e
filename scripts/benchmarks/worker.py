"""One contender in its own process, driven line by line over its standard streams.

    python -m scripts.benchmarks.worker CONTENDER JOB

Answers each line of JSON, a method of `Work` and its arguments, with another, the result.
"""

from __future__ import annotations

import importlib
import json
import resource
import sys
import time
import zlib
from pathlib import Path
from typing import Any

from scripts.benchmarks.device import amount

TEST_ROWS = amount(10_000, 500)


class Work:
    """What a contender can be asked to do."""

    def __init__(self, contender: str, job: str) -> None:
        from scripts.benchmarks.contenders import CONTENDERS, ON_GPU
        from scripts.benchmarks.jobs import JOBS, RACES, Problem

        started = time.perf_counter()
        self.job = {**JOBS, **RACES}[job]
        self.problem = Problem.of(self.job)
        self.runner: Any = {**CONTENDERS, **ON_GPU}[contender](self.problem)
        self.runner.start(self.problem.theta)
        self.runner.prepare(self.problem.orders, self.job.learning_rate)
        self.setup_seconds = time.perf_counter() - started

    def advance(self) -> float:
        """Return the seconds that the job's steps take."""
        started = time.perf_counter()
        self.runner.advance()
        return time.perf_counter() - started

    def by_its_clock(self) -> float | None:
        """Return the seconds that they take by the GPU's own clock, None where there is none."""
        clock = getattr(self.runner, "by_its_clock", None)
        return None if clock is None else clock(self.runner.advance)

    def facts(self) -> dict[str, Any]:
        """Return the steps of an advance, the loss now, and the costs so far.

        ``setup`` are the seconds until the first step could begin (imports, data, uploads),
        ``peak_memory`` is in bytes.
        """
        return {
            "steps": self.job.steps,
            "loss": self.problem.loss(self.runner.theta()),
            "setup": self.setup_seconds,
            "peak_memory": peak_memory(),
        }

    def race(self, seed: int, every: int = 1) -> dict[str, Any]:
        """Train to the target, tested with its own prediction, which is not counted.

        Parameters
        ----------
        seed : int
        every : int
            Test after this many times the job's steps.
        """
        from mnn_gpu.data import bundled_mnist
        from scripts.benchmarks.jobs import Race, orders, parameters

        job = self.job
        assert isinstance(job, Race)
        test = bundled_mnist("test")
        X, y = (whole[:TEST_ROWS] for whole in (test.X, test.labels()))
        self.runner.start(parameters(job, seed))
        seconds, done, accuracy = 0.0, 0, 0.0
        while done < job.total and accuracy < job.target:
            self.runner.prepare(orders(job, seed, done), job.rate(done))
            seconds += self.advance()
            done += job.steps
            if done % (every * job.steps) == 0:
                accuracy = float((self.runner.predictor(X)() == y).mean())
        return {"seconds": seconds, "steps": done, "reached": accuracy >= job.target}

    def predict(self, images: int, calls: int) -> float:
        """Return the seconds of one prediction, all images at once, warmed up."""
        from mnn_gpu.data import bundled_mnist

        self.predictor = self.runner.predictor(bundled_mnist("test").X[:images])
        for _ in range(3):
            self.labels = self.predictor()
        started = time.perf_counter()
        for _ in range(calls):
            self.predictor()
        return (time.perf_counter() - started) / calls

    def digest(self) -> int:
        """Return a number that is the same for the same labels."""
        return zlib.crc32(bytes(int(label) for label in self.labels))


def peak_memory() -> int:
    """Return the most memory that has been resident, in bytes.

    On Linux from the kernel's own account: `getrusage` begins with the peak of the
    process that started this one.
    """
    status = Path("/proc/self/status")
    if status.exists():
        lines = dict(line.split(":", 1) for line in status.read_text(encoding="utf-8").splitlines())
        return int(lines["VmHWM"].split()[0]) * 1024
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def main() -> None:
    contender, job = sys.argv[1:]
    # mnn_gpu sets OpenBLAS up before NumPy is loaded; its peers run as their users have them.
    importlib.import_module("mnn_gpu" if contender.startswith("mnn_gpu") else "numpy")
    try:
        work = Work(contender, job)
    except (ImportError, NotImplementedError) as error:
        answer({"left_out": f"{type(error).__name__}: {error}"})
        return
    answer({"ready": True})
    for line in sys.stdin:
        name, arguments = json.loads(line)
        answer({"result": getattr(work, name)(**arguments)})


def answer(fields: dict[str, Any]) -> None:
    print(json.dumps(fields), flush=True)


if __name__ == "__main__":
    main()
