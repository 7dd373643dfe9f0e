"""Measures mnn_gpu against its peers, in turn, on this machine's CPU.

    scripts/bench                    all jobs, some 15 minutes
    scripts/bench --quick            jobs a and c, 3 rounds, only printed; under a minute
    scripts/bench --jobs b c --rounds 9

Writes scripts/results/cpu.json and the tables of the documentation when all jobs
were run in full.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from scripts import documentation
from scripts.benchmarks import races, reading, steps
from scripts.benchmarks.contenders import CONTENDERS
from scripts.benchmarks.harness import OURS, machine, save
from scripts.benchmarks.report import duration

QUICK = ["a", "c"]
MENU: dict[str, Callable[[Sequence[str], int], dict[str, Any]]] = {
    **{name: partial(steps.measure, name) for name in "abcd"},
    "e1": partial(races.measure, "e1"),
    "e2": partial(races.measure, "e2"),
    "f1": partial(steps.measure_prediction, "b", 1),
    "f2": partial(steps.measure_prediction, "c", 1),
    "f3": partial(steps.measure_prediction, "b", 10_000),
    "f4": partial(steps.measure_prediction, "c", 10_000),
    "g": reading.measure,
    "h": races.measure_first,
    "p": races.measure_process,
}
"""All that can be measured, by name; every entry takes the contenders and the rounds."""


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
    if jobs == list(MENU) and args.contenders == list(CONTENDERS) and not args.quick:
        save("cpu", result)
        documentation.main()
        print("\nwritten to scripts/results/cpu.json and the documentation")


def show(figures: dict[str, Any]) -> None:
    """Print the figures of one job."""
    for name, row in figures["contenders"].items():
        low, high = map(duration, row["quartiles"])
        line = f"   {name:22} {duration(row['median']):>8}  ({low} to {high})"
        line += f"  {row['ratio']:6.2f} x mnn_gpu"
        if "flops" in figures:
            line += f"  {figures['flops'] / row['median'] / 1e9:4.0f} GFLOP/s"
            line += f"  loss {row['loss']:.5f}"
        if row.get("by_its_clock") is not None:
            line += f"  by the GPU's clock {duration(row['by_its_clock'])}"
        print(line)
    for name, reason in figures["left_out"].items():
        print(f"   {name:22} LEFT OUT: {reason}")


if __name__ == "__main__":
    main()
