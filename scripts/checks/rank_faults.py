"""Jobs whose ranks fail, differ or stop, and jobs that are interrupted: all have to end.

    python -m scripts.checks.rank_faults [--times 20] [--ranks 4] [--interrupts 100]

The second rank is killed with SIGKILL, raises an unexpected exception or lacks its data while the
others train or wait for it; or it has other options, ends before MPI starts, or stops (SIGSTOP).
Writes scripts/results/rank-faults.json and exits with 1 if a job did not end, ended with status 0
or did not name the difference, or if one with a failed rank took more than five seconds to end.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from scripts.benchmarks.harness import RESULTS, machine, save
from scripts.checks.mpiexec import command, library
from tests.support.failing_ranks import (
    DIFFERENCES,
    ENDLESS,
    KINDS,
    STOPPING,
    TIMEOUT,
    Ended,
    beside,
    differing,
    ended,
    failing,
)

MOST_SECONDS = 5.0


def summary(jobs: Sequence[Ended]) -> dict[str, Any]:
    return {
        "jobs": len(jobs),
        "never_ended": sum(job.status is None for job in jobs),
        "longest_seconds": round(max(job.seconds for job in jobs), 2),
        "statuses": sorted({job.status for job in jobs if job.status is not None}),
        "first_line": jobs[0].first,
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, default=20, help="jobs of each kind of failure")
    parser.add_argument("--ranks", type=int, default=4)
    parser.add_argument("--interrupts", type=int, default=100, help="of two and of four ranks each")
    options = parser.parse_args()
    result: dict[str, Any] = {"ranks": options.ranks, "timeout_seconds": TIMEOUT, **machine()}
    bad = 0

    def add(name: str, jobs: Sequence[Ended], good: Sequence[bool]) -> None:
        nonlocal bad
        bad += len(good) - sum(good)
        result[name] = {**summary(jobs), "as_expected": sum(good)}
        print(name, json.dumps(result[name]), flush=True)

    for kind in KINDS:
        jobs = [failing(kind, options.ranks) for _ in range(options.times)]
        add(kind, jobs, [bool(job.status) and job.seconds <= MOST_SECONDS for job in jobs])
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for kind, (_, message) in DIFFERENCES.items():
            job = differing(kind, folder)
            add(f"other {kind}", [job], [bool(job.status) and message in job.said])
        for kind, code in (("gone", ""), ("stopped", STOPPING)):
            job = beside(code, folder)
            add(kind, [job], [bool(job.status)])
        for ranks in (2, 4):
            words = command(ranks, *ENDLESS)
            jobs = [ended(words, folder, random.uniform(0, 3)) for _ in range(options.interrupts)]
            add(f"interrupted, {ranks} ranks", jobs, [job.status is not None for job in jobs])
    results = json.loads((RESULTS / "rank-faults.json").read_text(encoding="utf-8"))
    save("rank-faults", results | {library(): result})
    return int(bad > 0)


if __name__ == "__main__":
    sys.exit(main())
