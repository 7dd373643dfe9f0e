"""Measures training steps of mnn_gpu against its peers, in turn, on this machine's CPU.

    scripts/bench                    all jobs, then the README's section and the plot
    scripts/bench --quick            jobs a and c, 3 rounds, only printed; under a minute
    scripts/bench --jobs b c --rounds 9

Writes scripts/results/cpu.json and cpu.png and the README's performance section when all
jobs were run in full.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from scripts.benchmarks.contenders import CONTENDERS
from scripts.benchmarks.harness import OURS, ROOT, machine, measured
from scripts.benchmarks.jobs import JOBS
from scripts.benchmarks.report import duration, plot, write_readme

QUICK = ["a", "c"]
RESULT = ROOT / "scripts" / "results" / "cpu.json"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--jobs", nargs="+", choices=JOBS, help="default: all")
    parser.add_argument(
        "--contenders", nargs="+", choices=CONTENDERS, default=list(CONTENDERS), metavar="NAME"
    )
    parser.add_argument("--rounds", type=int, default=15, help="default: 15")
    parser.add_argument(
        "--quick", action="store_true", help="jobs a and c, 3 rounds, nothing written"
    )
    args = parser.parse_args()
    jobs = args.jobs or (QUICK if args.quick else list(JOBS))
    rounds = 3 if args.quick else max(args.rounds, 2)
    contenders = [OURS, *(name for name in args.contenders if name != OURS)]
    result: dict[str, Any] = {"rounds": rounds, "machine": machine(), "jobs": {}}
    limit = result["machine"]["limits"]
    print(f"limits: sgemm {limit['sgemm']:.0f} GFLOP/s, one thread reads {limit['read']:.0f} GB/s")
    for job in (JOBS[name] for name in jobs):
        print(f"\n{job.name}  {job.title}")
        figures = result["jobs"][job.name] = measured(job, contenders, rounds)
        for name, row in figures["contenders"].items():
            low, high = row["quartiles"]
            print(
                f"   {name:22} {duration(row['median']):>8}  ({duration(low)} to "
                f"{duration(high)})  {row['ratio']:5.2f} x mnn_gpu  "
                f"{job.flops / row['median'] / 1e9:4.0f} GFLOP/s  loss {row['loss']:.5f}"
            )
        for name, reason in figures["left_out"].items():
            print(f"   {name:22} LEFT OUT: {reason}")
    complete = jobs == list(JOBS) and args.contenders == list(CONTENDERS)
    if complete and not args.quick:
        write(result)


def write(result: dict[str, Any]) -> None:
    """Keep the figures: as JSON, as a plot and in the README."""
    RESULT.parent.mkdir(exist_ok=True)
    RESULT.write_text(json.dumps(result, indent=2) + "\n")
    plot(result, RESULT.with_suffix(".png"))
    write_readme(Path(ROOT / "README.md"), result)
    print(f"\nwritten to {RESULT.relative_to(ROOT)}, its plot and the README")


if __name__ == "__main__":
    main()
