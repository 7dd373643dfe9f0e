"""Jobs whose ranks differ, a rank that is stopped, and jobs that are interrupted.

    .venv/bin/python -m scripts.checks.differing_ranks [--interrupts 100]

Each job has to end by itself, with an error that names the difference; a job that is
interrupted has to end too. Writes scripts/results/rank-faults.json and exits with 1
otherwise.
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
import time
from pathlib import Path
from typing import Any, NamedTuple

from scripts.checks.mpiexec import launcher, library
from scripts.checks.rank_faults import RESULT

PROGRAM = (sys.executable, "-m", "mnn_gpu")
SMALL = ("train", "--device", "cpu", "--rows", "700", "--holdout", "100", "--epochs", "3", "-q")
LONG = ("train", "--device", "cpu", "--hidden", "64", "--rows", "5000", "--batch-size", "500")
ENDLESS = (*LONG, "--iterations", "100000000", "--report-every", "1000", "-q")
TIMEOUT = 4
"""Seconds that the ranks of a job wait for one that is gone or stopped."""
PATIENCE = 60
"""Seconds after which a job counts as one that never ends."""

DIFFERENCES: dict[str, tuple[tuple[str, ...], str]] = {
    "learning rate": (("--lr", "0.2"), "--lr: None on rank 0, 0.2 on rank 1"),
    "seed": (("--seed", "1"), "--seed: None on rank 0, 1 on rank 1"),
    "epochs": (("--epochs", "2"), "--epochs: 3 on rank 0, 2 on rank 1"),
    "checkpoint_every": (
        ("--checkpoint", "kept", "--checkpoint-every", "2"),
        "--checkpoint-every: None on rank 0, '2' on rank 1",
    ),
    "until": (("--target-accuracy", "0.5"), "--target-accuracy: None on rank 0, 0.5 on rank 1"),
    "report every": (("--report-every", "1"), "--report-every: None on rank 0, 1 on rank 1"),
    "layers": (("--hidden", "12"), "--hidden: None on rank 0, [12] on rank 1"),
    "dtype": (("--dtype", "float64"), "--dtype: None on rank 0, 'float64' on rank 1"),
    "sums": (("--fast-reduce",), "--fast-reduce: None on rank 0, True on rank 1"),
    "shards": (("--shards", "4"), "--shards: None on rank 0, 4 on rank 1"),
    "batch size": (("--batch-size", "50"), "--batch-size: None on rank 0, 50 on rank 1"),
    "optimizer": (("--optimizer", "adam"), "--optimizer: None on rank 0, 'adam' on rank 1"),
    "rows": (("--rows", "690"), "--rows: 700 on rank 0, 690 on rank 1"),
    "checkpoint": (("--checkpoint", "kept"), "--checkpoint: None on rank 0, 'kept' on rank 1"),
    "output": (("--out", "other"), "on rank 0, PosixPath('other') on rank 1"),
    "bad option": (("--nonsense",), "error: unrecognized arguments: --nonsense"),
    "help": (("--help",), "call: train on rank 0, --help or --version on rank 1"),
}
"""What the second rank is given besides, and what the job says."""


class Ended(NamedTuple):
    """How a job ended: its status (None if it did not), its seconds and its stderr."""

    status: int | None
    seconds: float
    said: str


def differing(name: str, folder: Path) -> Ended:
    """Run a job of two ranks, the second of which has other options."""
    extra, _ = DIFFERENCES[name]
    job = ["-n", "1", *PROGRAM, *SMALL, ":", "-n", "1", *PROGRAM, *SMALL, *extra]
    return ended(job, folder, timeout=PATIENCE // 2)


def gone(folder: Path) -> Ended:
    """Run a job whose second rank ends before it knows of MPI."""
    return ended(["-n", "1", *PROGRAM, *SMALL, ":", "-n", "1", sys.executable, "-c", ""], folder)


def stopped(folder: Path) -> Ended:
    """Run a job one rank of which stops (SIGSTOP) while it trains."""
    code = (
        "import os, signal, sys, threading; from mnn_gpu.cli.main import main\n"
        "timer = threading.Timer(5, os.kill, (os.getpid(), signal.SIGSTOP))\n"
        "timer.daemon = True; timer.start(); sys.exit(main(sys.argv[1:]))"
    )
    job = ["-n", "1", *PROGRAM, *ENDLESS, ":", "-n", "1", sys.executable, "-c", code, *ENDLESS]
    return ended(job, folder)


def interrupted(ranks: int, after: float, folder: Path) -> Ended:
    """Run a job that is sent SIGINT some seconds after its start, as Ctrl-C sends it."""
    return ended(["-n", str(ranks), *PROGRAM, *ENDLESS], folder, interrupt_after=after)


def ended(
    job: list[str], folder: Path, interrupt_after: float | None = None, timeout: int = TIMEOUT
) -> Ended:
    """Run a job to its end, or kill it."""
    start = time.monotonic()
    with (folder / "said").open("w+") as said:
        process = subprocess.Popen(
            [*launcher(), *job],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=said,
            cwd=folder,
            env={**os.environ, "MNN_RANK_TIMEOUT": str(timeout)}
            if interrupt_after is None
            else None,
            start_new_session=True,
        )
        if interrupt_after is not None:
            time.sleep(interrupt_after)
            start = time.monotonic()
            # The launcher alone: a terminal sends it to the whole group, in which the ranks
            # that a launcher starts are not.
            process.send_signal(signal.SIGINT)
        try:
            status: int | None = process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            status = None
        said.seek(0)
        return Ended(status, time.monotonic() - start, said.read())


def summary(jobs: list[Ended]) -> dict[str, Any]:
    return {
        "jobs": len(jobs),
        "never_ended": sum(job.status is None for job in jobs),
        "longest_seconds": round(max(job.seconds for job in jobs), 2),
        "statuses": sorted({job.status for job in jobs if job.status is not None}),
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--interrupts", type=int, default=100, help="of two and of four ranks each")
    options = parser.parse_args()
    result: dict[str, Any] = {"timeout_seconds": TIMEOUT}
    bad = 0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        refused = {kind: differing(kind, folder) for kind in DIFFERENCES}
        for kind, job in refused.items():
            if job.status in (0, None) or DIFFERENCES[kind][1] not in job.said:
                bad += 1
                print(kind, job, flush=True)
        result["differing"] = {**summary(list(refused.values())), "kinds": list(refused)}
        for kind, job in (("gone", gone(folder)), ("stopped", stopped(folder))):
            bad += job.status in (0, None)
            result[kind] = summary([job])
        print(json.dumps(result), flush=True)
        for ranks in (2, 4):
            jobs = [
                interrupted(ranks, random.uniform(0, 3), folder) for _ in range(options.interrupts)
            ]
            bad += sum(job.status is None for job in jobs)
            result[f"interrupted, {ranks} ranks"] = summary(jobs)
            print(json.dumps(result[f"interrupted, {ranks} ranks"]), flush=True)
    results = json.loads(RESULT.read_text()) if RESULT.exists() else {}
    results.setdefault(library(), {})["differing_ranks"] = result
    RESULT.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
