"""How it is measured: a process for each contender, in turn, round by round; medians and ratios."""

from __future__ import annotations

import importlib.metadata
import json
import math
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

from mnn_gpu.utils.threads import available_cores

ROOT = Path(__file__).parents[2]
RESULTS = ROOT / "scripts" / "results"
OURS = "mnn_gpu"
SETTLE_SECONDS = 0.2
K = TypeVar("K")
T = TypeVar("T")


class LeftOutError(Exception):
    """A contender that cannot take part, and why."""


def environment(threads: int | None = None) -> dict[str, str]:
    """Return the environment without settings of OpenBLAS: each library chooses for itself.

    JAX takes no more of a GPU's memory than it needs: several contenders are there at once.
    """
    kept = {name: v for name, v in os.environ.items() if not name.startswith("OPENBLAS_")}
    kept["XLA_PYTHON_CLIENT_PREALLOCATE"] = "false"
    return kept if threads is None else kept | {"OMP_NUM_THREADS": str(threads)}


def output(*command: str) -> Any:
    """Run a module of the scripts in its own process; return the JSON it prints.

    Raises
    ------
    LeftOutError
        If it ends with an error, with the last line of it.
    """
    result = subprocess.run(
        [sys.executable, "-m", *command],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env=environment(),
        check=False,
    )
    if result.returncode:
        raise LeftOutError(_last_line(result.stderr))
    return json.loads(result.stdout)


def _last_line(errors: str) -> str:
    return (errors.strip().splitlines() or ["no message"])[-1]


class Worker:
    """A contender at work on a job in its own process."""

    def __init__(self, contender: str, job: str) -> None:
        self.contender = contender
        self.errors = tempfile.TemporaryFile("w+", encoding="utf-8")  # noqa: SIM115 - closed in `end`
        self.process = subprocess.Popen(
            [sys.executable, "-m", "scripts.benchmarks.worker", contender, job],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.errors,
            text=True,
            cwd=ROOT,
            env=environment(),
        )

    @cached_property
    def left_out(self) -> str | None:
        """Why it cannot take part, if so; known once it has set itself up."""
        reason: str | None = self._answer().get("left_out")
        return reason

    def ask(self, command: str, **arguments: Any) -> Any:
        """Call a method of the worker's `Work`; raise `LeftOutError` if it fails."""
        assert self.process.stdin is not None
        assert self.left_out is None
        print(json.dumps([command, arguments]), file=self.process.stdin, flush=True)
        answer = self._answer()
        if "left_out" in answer:
            raise LeftOutError(answer["left_out"])
        return answer["result"]

    def _answer(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        if line := self.process.stdout.readline():
            answer: dict[str, Any] = json.loads(line)
            return answer
        code = self.process.wait()
        self.errors.seek(0)
        return {"left_out": f"it ended with code {code}: {_last_line(self.errors.read())}"}

    def end(self) -> None:
        self.process.kill()
        self.process.wait()
        self.errors.close()


class Team:
    """The workers of a job, and who was left out."""

    def __init__(self, contenders: Sequence[str], job: str) -> None:
        # They set themselves up side by side.
        self.workers = [Worker(contender, job) for contender in contenders]
        self.left_out: dict[str, str] = {}
        for worker in list(self.workers):
            if worker.left_out:
                self.refuse(worker, worker.left_out)

    def __enter__(self) -> Team:
        return self

    def __exit__(self, *_: object) -> None:
        for worker in self.workers:
            worker.end()

    def refuse(self, worker: Worker, reason: str) -> None:
        self.left_out[worker.contender] = reason
        self.workers.remove(worker)
        worker.end()

    def ask(self, command: str, **arguments: Any) -> dict[str, Any]:
        """Ask every worker, one after the other; one that fails is refused."""
        answers = {}
        for worker in list(self.workers):
            try:
                answers[worker.contender] = worker.ask(command, **arguments)
            except LeftOutError as error:
                self.refuse(worker, str(error))
        return answers

    def refuse_unlike(
        self, values: dict[str, Any], like: Callable[[str, Any], bool], what: str
    ) -> None:
        """Refuse contenders that did other work than this package."""
        for worker in list(self.workers):
            value = values[worker.contender]
            if not like(worker.contender, value):
                self.refuse(worker, f"other work: {what} {value}, not {values[OURS]}")

    def rounds(self, count: int, deadline: float = math.inf) -> Iterator[Worker]:
        """Yield the workers in turn, each time with another one first.

        After the deadline, by `time.monotonic`, no second or later round is begun.
        """
        for i in range(count):
            if i and time.monotonic() > deadline:
                return
            first = i % len(self.workers)
            for worker in self.workers[first:] + self.workers[:first]:
                # The threads of the one before still spin for a while after its work.
                time.sleep(SETTLE_SECONDS)
                yield worker


def in_turn(
    rounds: int, contenders: Mapping[K, Callable[[], T]], left_out: dict[K, str] | None = None
) -> dict[K, list[T]]:
    """Let contenders take turns; return what each returned, round by round.

    A contender that raises `LeftOutError` is noted in ``left_out`` and has no further turn.
    """
    found: dict[K, list[T]] = {name: [] for name in contenders}
    for _ in range(rounds):
        for name in list(found):
            try:
                found[name].append(contenders[name]())
            except LeftOutError as error:
                if left_out is None:
                    raise
                left_out[name] = str(error)
                del found[name]
    return found


def ratio(values: Sequence[float], base: Sequence[float]) -> float:
    """Return the median of the ratios, round by round."""
    return statistics.median(a / b for a, b in zip(values, base, strict=True))


def compared(values: dict[str, list[float]]) -> dict[str, dict[str, Any]]:
    """Return each contender's median and quartiles, and the median ratio to this package."""
    return {
        name: {
            "median": statistics.median(own),
            "quartiles": statistics.quantiles(own, n=4)[::2] if len(own) > 1 else own * 2,
            "ratio": ratio(own, values[OURS]),
        }
        for name, own in values.items()
    }


def spread(values: Sequence[float]) -> dict[str, float]:
    """Return mean, standard deviation and range."""
    sd = statistics.stdev(values) if len(values) > 1 else 0.0
    return {"mean": statistics.mean(values), "sd": sd, "min": min(values), "max": max(values)}


def save(name: str, result: Any) -> None:
    """Write ``scripts/results/NAME.json``."""
    text = json.dumps(result, indent=2) + "\n"
    (RESULTS / f"{name}.json").write_text(text, encoding="utf-8")


def processor() -> str:
    """Return the processor's name, as far as the system reports it."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text(encoding="utf-8").splitlines() if info.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return next(iter(names), platform.processor() or platform.machine())


def machine() -> dict[str, Any]:
    """Return what the figures depend on: processor, versions, and the limits now."""
    versions: dict[str, str | None] = {}
    for package in ("numpy", "pandas", "polars", "torch", "jax", "scikit-learn"):
        try:
            versions[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            versions[package] = None
    return {
        "date": time.strftime("%Y-%m-%d"),
        "cpu": processor(),
        "cores": available_cores(),
        "python": platform.python_version(),
        "versions": versions,
        "limits": output("scripts.benchmarks.limits"),
    }
