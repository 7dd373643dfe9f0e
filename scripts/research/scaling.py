"""How training scales over ranks: one rank and two on this machine, in turn, one thread each.

    python -m scripts.research.scaling [--rounds 5]

Writes scripts/results/scaling.json and the documentation's table.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import tempfile
from functools import partial
from typing import Any

from scripts import markdown
from scripts.benchmarks.harness import ROOT, environment, in_turn, machine, ratio, save
from scripts.benchmarks.report import duration
from tests.support.mpiexec import command, library

COMMON = ("--holdout", "0", "--device", "cpu", "-q", "--json", "--report-every", "1000000")
ADAM = ("--rows", "60000", "--optimizer", "adam", "--lr", "0.001", "--batch-size")
JOBS: dict[str, tuple[str, ...]] = {
    "784-1000-500-10, batch 512": (*ADAM, "512", "--hidden", "1000", "500", "--iterations", "80"),
    "784-10-10-10, batch 512": (*ADAM, "512", "--hidden", "10", "10", "--iterations", "6000"),
    "784-10-10-10, full batches of 41,000": ("--rows", "41000", "--iterations", "80"),
    "784-128-64-10, batch 128": (*ADAM, "128", "--hidden", "128", "64", "--iterations", "2500"),
}
SHARDS = {"2 shards": 2, "8 shards": 8, "8 shards, float32 sums": 8}


def iteration(ranks: int, options: tuple[str, ...]) -> float:
    """Return the seconds of an iteration on N ranks, 0 for one process without MPI."""
    with tempfile.TemporaryDirectory() as folder:
        result = subprocess.run(
            command(ranks, "train", *COMMON, *options, "--out", f"{folder}/model"),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            text=True,
            check=True,
            cwd=ROOT,
            env=environment(threads=1),
        )
    report = json.loads(result.stdout)
    return float(report["seconds"] / report["iterations"])


def measured(job: tuple[str, ...], rounds: int) -> dict[str, Any]:
    """Let one rank and two take turns."""
    ways = {"1 process, no shards": partial(iteration, 0, job)}
    for name, shards in SHARDS.items():
        options = (*job, "--shards", str(shards), *["--fast-reduce"] * ("float32" in name))
        ways[f"1 rank, {name}"] = partial(iteration, 1, options)
        ways[f"2 ranks, {name}"] = partial(iteration, 2, options)
    times = in_turn(rounds, ways)
    return {
        "seconds": {name: statistics.median(runs) for name, runs in times.items()},
        "speed_up": {
            name: round(ratio(times[f"1 rank, {name}"], times[f"2 ranks, {name}"]), 2)
            for name in SHARDS
        },
    }


def section(result: dict[str, Any]) -> str:
    """Return the page's section."""
    jobs = result["jobs"]
    ways = list(next(iter(jobs.values()))["speed_up"])
    rows = [["", "one process, no shards", *(f"speed-up, {way}" for way in ways)]]
    for name, job in jobs.items():
        speed_ups = [f"**{job['speed_up'][way]:.2f}**" for way in ways]
        rows.append([name, duration(job["seconds"]["1 process, no shards"]), *speed_ups])
    return (
        f"{markdown.table(rows)}\n\n"
        f"Two ranks compared with one, one thread each, the same command; medians of "
        f"{result['rounds']} interleaved rounds. {result['cpu']}, {result['cores']} cores, "
        f"{result['mpi']}, {result['date']}. "
        "[scaling.json](../../scripts/results/scaling.json); `python -m scripts.research.scaling` "
        "repeats the measurement."
    )


def main() -> None:
    from scripts import documentation

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    jobs = {}
    for name, job in JOBS.items():
        jobs[name] = measured(job, rounds)
        print(name, json.dumps(jobs[name]["speed_up"]), flush=True)
    save("scaling", {"mpi": library(), "rounds": rounds, "jobs": jobs, **machine()})
    documentation.main()


if __name__ == "__main__":
    main()
