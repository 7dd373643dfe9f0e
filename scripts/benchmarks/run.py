"""Measures mnn_gpu against its peers, in turn, on this machine's CPU.

    scripts/bench                    all jobs, some 15 minutes
    scripts/bench --quick            jobs a and c, 3 rounds, only printed; under a minute
    scripts/bench --jobs b c --rounds 9

Writes scripts/results/cpu.json, its plots and the tables of the documentation when all jobs
were run in full.
"""

from __future__ import annotations

import argparse
import json
from typing import Any

from scripts import documentation
from scripts.benchmarks.contenders import CONTENDERS
from scripts.benchmarks.harness import OURS, ROOT, machine
from scripts.benchmarks.menu import MENU
from scripts.benchmarks.report import duration, plot, plot_growth, size

QUICK = ["a", "c"]
RESULT = ROOT / "scripts" / "results" / "cpu.json"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--jobs", nargs="+", choices=MENU, help="default: all")
    parser.add_argument(
        "--contenders", nargs="+", choices=CONTENDERS, default=list(CONTENDERS), metavar="NAME"
    )
    parser.add_argument("--rounds", type=int, default=7, help="default: 7")
    parser.add_argument(
        "--quick", action="store_true", help="jobs a and c, 3 rounds, nothing written"
    )
    args = parser.parse_args()
    jobs = args.jobs or (QUICK if args.quick else list(MENU))
    rounds = 3 if args.quick else max(args.rounds, 2)
    contenders = [OURS, *(name for name in args.contenders if name != OURS)]
    result: dict[str, Any] = {"rounds": rounds, "machine": machine(), "jobs": {}}
    limit = result["machine"]["limits"]
    print(f"limits: sgemm {limit['sgemm']:.0f} GFLOP/s, one thread reads {limit['read']:.0f} GB/s")
    for name in jobs:
        figures = result["jobs"][name] = MENU[name](contenders, rounds)
        print(f"\n{name}  {figures['title']}")
        show(figures)
    complete = jobs == list(MENU) and args.contenders == list(CONTENDERS)
    if complete and not args.quick:
        write(result)


def show(figures: dict[str, Any]) -> None:
    """Print the figures of one job."""
    write_value = size if figures.get("unit") == "bytes" else duration
    for name, row in figures["contenders"].items():
        low, high = map(write_value, row["quartiles"])
        line = f"   {name:22} {write_value(row['median']):>8}  ({low} to {high})"
        line += f"  {row['ratio']:6.2f} x mnn_gpu"
        if "flops" in figures:
            line += f"  {figures['flops'] / row['median'] / 1e9:4.0f} GFLOP/s"
            line += f"  loss {row['loss']:.5f}"
        if row.get("by_its_clock") is not None:
            line += f"  by the GPU's clock {duration(row['by_its_clock'])}"
        print(line)
    if "slope" in figures:
        for count, seconds in zip(figures["sizes"], figures["medians"], strict=True):
            print(f"   {count:>9,}  {duration(seconds):>8}")
        print(f"   slope {figures['slope']:.2f}")
    for name, reason in figures["left_out"].items():
        print(f"   {name:22} LEFT OUT: {reason}")


def write(result: dict[str, Any]) -> None:
    """Keep the figures: as JSON, as plots and in the documentation."""
    RESULT.parent.mkdir(exist_ok=True)
    RESULT.write_text(json.dumps(result, indent=2) + "\n")
    plot(result, RESULT.with_suffix(".png"))
    plot_growth(result, RESULT.with_name("cpu-growth.png"))
    documentation.main()
    print(f"\nwritten to {RESULT.relative_to(ROOT)}, its plots and the documentation")


if __name__ == "__main__":
    main()
