"""How training grows with the ranks: measured on this machine, and reckoned for a cluster.

    .venv/bin/python -m scripts.research.scaling [--rounds 5]
    .venv/bin/python -m scripts.research.scaling --report     (only write page and plot again)

One rank and two take turns, one thread each. The model is that of the page's section, its
constants are measured in the same run; only the cluster's network is assumed. Writes
scripts/results/scaling.json and scaling.png, and the section.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from mnn_gpu.nn.parameters import parameter_count
from scripts import documentation
from scripts.benchmarks.harness import environment, machine
from scripts.checks.mpiexec import launcher, library
from scripts.research.scaling_report import plot

ROOT = Path(__file__).parents[2]
RESULTS = ROOT / "scripts" / "results"
ADAM = ("--optimizer", "adam", "--lr", "0.001", "--batch-size")


class Job(NamedTuple):
    """A training, and how many iterations of it tell the time of one."""

    sizes: tuple[int, ...]
    iterations: int
    options: tuple[str, ...]


def _adam(hidden: Sequence[int], batch: int, iterations: int) -> Job:
    options = ("--hidden", *map(str, hidden), *ADAM, str(batch))
    return Job((784, *hidden, 10), iterations, options)


JOBS = {
    "784-1000-500-10, batch 512": _adam((1000, 500), 512, 80),
    "784-10-10-10, batch 512": _adam((10, 10), 512, 6000),
    "784-10-10-10, full batches of 41,000": Job((784, 10, 10, 10), 80, ("--rows", "41000")),
    "784-128-64-10, batch 128": _adam((128, 64), 128, 2500),
}
WAYS = {
    "1 rank, 2 shards": (1, 2, ()),
    "2 ranks, 2 shards": (2, 2, ()),
    "1 rank, 8 shards": (1, 8, ()),
    "2 ranks, 8 shards": (2, 8, ()),
    "1 rank, 8 shards, float32 sums": (1, 8, ("--fast-reduce",)),
    "2 ranks, 8 shards, float32 sums": (2, 8, ("--fast-reduce",)),
}
# Of the model's constants: a rank's time, in one shard, for batches of these sizes.
OF_MODEL = {
    "784-1000-500-10": ((1000, 500), (128, 512), (150, 60)),
    "784-128-64-10": ((128, 64), (128, 512), (3000, 1500)),
}
EXCHANGE = """
import sys, time, numpy as np
from mpi4py import MPI
from mnn_gpu.distributed.all_reduce import HostAllReduce
from mnn_gpu.step.sharding import BatchSharding
comm = MPI.COMM_WORLD
for n in map(int, sys.argv[1:]):
    exchange = HostAllReduce(comm, BatchSharding(8, comm.rank, comm.size), "float64")
    own, out = [np.ones(n)], np.empty(n, np.float32)
    times = []
    for _ in range(400):
        comm.Barrier()
        start = time.perf_counter()
        exchange(own, out)
        times.append(time.perf_counter() - start)
    if comm.rank == 0:
        print(n, sorted(times)[200])
"""


def iteration(ranks: int, job: Job, *more: str) -> float:
    """Return the seconds that an iteration takes on so many ranks, 0 for one without MPI."""
    start = [] if ranks == 0 else [*launcher(), "-n", str(ranks)]
    with tempfile.TemporaryDirectory() as folder:
        options = ["--iterations", str(job.iterations), "--holdout", "0", "--device", "cpu"]
        options += ["-q", "--json", "--out", f"{folder}/model", "--report-every", "1000000"]
        if "--rows" not in job.options:
            options += ["--rows", "60000"]
        result = subprocess.run(
            [*start, sys.executable, "-m", "mnn_gpu", "train", *job.options, *options, *more],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            text=True,
            check=True,
            env={**environment(), "OMP_NUM_THREADS": "1"},
        )
    report = json.loads(result.stdout)
    seconds: float = report["seconds"] / report["iterations"]
    return seconds


def measured(job: Job, rounds: int) -> dict[str, Any]:
    """Let one rank and two take turns."""
    times: dict[str, list[float]] = {name: [] for name in ("1 process, no shards", *WAYS)}
    for _ in range(rounds):
        times["1 process, no shards"].append(iteration(0, job))
        for name, (ranks, shards, more) in WAYS.items():
            times[name].append(iteration(ranks, job, "--shards", str(shards), *more))
    pairs = [(one, one.replace("1 rank", "2 ranks")) for one in times if one.startswith("1 rank")]
    return {
        "seconds": {name: statistics.median(runs) for name, runs in times.items()},
        "speed_up": {
            one.removeprefix("1 rank, "): round(
                statistics.median(a / b for a, b in zip(times[one], times[two], strict=True)), 2
            )
            for one, two in pairs
        },
    }


def constants(rounds: int) -> dict[str, Any]:
    """Return the model's constants: seconds a row and an update, a message, a byte."""
    networks = {}
    for name, (hidden, batches, iterations) in OF_MODEL.items():
        small, large = (
            statistics.median(
                iteration(1, _adam(hidden, batch, count), "--shards", "1") for _ in range(rounds)
            )
            for batch, count in zip(batches, iterations, strict=True)
        )
        row = (large - small) / (batches[1] - batches[0])
        networks[name] = {
            "parameters": parameter_count((784, *hidden, 10)),
            "seconds_a_row": row,
            "seconds_an_update": max(small - row * batches[0], 0.0),
        }
    sizes = (8, *(network["parameters"] for network in networks.values()))
    told = subprocess.run(
        [*launcher(), "-n", "2", sys.executable, "-c", EXCHANGE, *(str(n + n % 2) for n in sizes)],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
        env={**environment(), "OMP_NUM_THREADS": "1"},
    )
    of_size = {int(n): float(t) for n, t in (line.split() for line in told.stdout.splitlines())}
    latency = min(of_size.values())
    most = max(of_size)
    # Of two ranks each sends half of the sums as float64 and half of the result as float32.
    rate = most * 12 / 2 / (of_size[most] - latency)
    return {
        "networks": networks,
        "exchange_seconds": of_size,
        "message_seconds": latency / 2,
        "bytes_a_second": rate,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--report", action="store_true")
    options = parser.parse_args()
    path = RESULTS / "scaling.json"
    if not options.report:
        result: dict[str, Any] = {"mpi": library(), "rounds": options.rounds, "jobs": {}}
        for name, job in JOBS.items():
            result["jobs"][name] = measured(job, options.rounds)
            print(name, json.dumps(result["jobs"][name]["speed_up"]), flush=True)
        result |= {"model": constants(options.rounds), **machine()}
        path.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    result = json.loads(path.read_text(encoding="utf-8"))
    plot(result, RESULTS / "scaling.png")
    documentation.main()


if __name__ == "__main__":
    main()
