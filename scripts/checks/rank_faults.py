"""One rank of a job fails: how long until the whole job has ended, and what it says first.

    .venv/bin/python -m scripts.checks.rank_faults [--times 20] [--ranks 4]

The second rank is killed with SIGKILL, raises an exception that nobody expects, or cannot
open its data, while the others train or wait for it. Writes scripts/results/rank-faults.json
and exits with 1 if any job went on for more than five seconds, or ended with status 0.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any, NamedTuple

from scripts.benchmarks.harness import machine
from scripts.checks.mpiexec import launcher, library

RESULT = Path(__file__).parents[1] / "results" / "rank-faults.json"
KINDS = ("killed", "exception", "no data")
MOST_SECONDS = 5.0
PATIENCE = 60
TRAINING = (
    *("train", "--device", "cpu", "--hidden", "128", "64", "--batch-size", "128"),
    *("--iterations", "10000000", "--report-every", "1000000", "-q"),
)
FAILING_AT = 20
"""Iterations before the second rank fails: few, for machines whose cores are busy."""


class Ended(NamedTuple):
    """How a job ended: seconds after the fault, its status, and the first line it said."""

    seconds: float
    status: int
    first: str


def job(kind: str, ranks: int) -> Ended:
    """Run a job whose second rank fails."""
    with tempfile.TemporaryDirectory() as folder:
        moment = Path(folder) / "moment"
        good = [sys.executable, "-m", "mnn_gpu", *TRAINING, "--out", f"{folder}/model"]
        bad = [
            sys.executable,
            "-m",
            "scripts.checks.rank_faults",
            "--as",
            kind,
            str(moment),
            *good[3:],
        ]
        command = [*launcher(), "-n", "1", *good, ":", "-n", "1", *bad]
        if ranks > 2:
            command += [":", "-n", str(ranks - 2), *good]
        result = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
        seconds = time.time() - float(moment.read_text())
    said = [line for line in (result.stderr + result.stdout).splitlines() if line.strip()]
    return Ended(seconds, result.returncode, said[0] if said else "")


def fail(kind: str, moment: Path, arguments: list[str]) -> int:
    """Be the rank that fails."""
    from mnn_gpu.cli.main import main
    from mnn_gpu.training.run import TrainingRun

    def now() -> None:
        moment.write_text(str(time.time()))

    def killed() -> None:
        now()
        os.kill(os.getpid(), signal.SIGKILL)

    advance = TrainingRun.advance

    def failing(self: Any, *rest: Any) -> Any:
        if self.iteration >= FAILING_AT:
            if kind == "exception":
                now()
                raise ZeroDivisionError("as nobody expects")
            if kind == "killed" and not timers:
                timers.append(threading.Timer(random.random(), killed))
                timers[0].start()
        return advance(self, *rest)

    timers: list[threading.Timer] = []
    TrainingRun.advance = failing  # type: ignore[method-assign, assignment]
    if kind == "no data":
        now()
        arguments = [*arguments, "--data", str(moment.parent / "missing.csv")]
    return main(arguments)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, default=20)
    parser.add_argument("--ranks", type=int, default=4)
    options = parser.parse_args()
    result: dict[str, Any] = {"ranks": options.ranks, "most_seconds": MOST_SECONDS, **machine()}
    bad = 0
    for kind in KINDS:
        ended = [job(kind, options.ranks) for _ in range(options.times)]
        good = [end for end in ended if end.seconds <= MOST_SECONDS and end.status != 0]
        bad += len(ended) - len(good)
        result[kind] = {
            "jobs": len(ended),
            "ended_in_time_with_an_error": len(good),
            "longest_seconds": round(max(end.seconds for end in ended), 2),
            "statuses": sorted({end.status for end in ended}),
            "first_line": ended[0].first,
        }
        print(kind, json.dumps(result[kind]), flush=True)
    results = json.loads(RESULT.read_text()) if RESULT.exists() else {}
    results[library()] = result
    RESULT.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")
    return 1 if bad else 0


if __name__ == "__main__":
    if sys.argv[1:2] == ["--as"]:
        sys.exit(fail(sys.argv[2], Path(sys.argv[3]), sys.argv[4:]))
    sys.exit(main())
