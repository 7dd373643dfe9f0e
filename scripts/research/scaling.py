"""How training scales over ranks: measured on this machine, and predicted for a cluster.

    python -m scripts.research.scaling [--rounds 5]
    python -m scripts.research.scaling --report     (only write the documentation again)

One rank and two take turns, one thread each. The model is that of the documentation, its
constants are measured in the same run; only the cluster's network is assumed. Writes
scripts/results/scaling.json and the documentation's tables.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from functools import partial
from typing import Any, NamedTuple

from mnn_gpu.nn.parameters import parameter_count
from scripts import documentation
from scripts.benchmarks.harness import (
    ROOT,
    environment,
    in_turn,
    machine,
    ratio,
    save,
)
from scripts.checks.mpiexec import command, launcher, library

ADAM = ("--optimizer", "adam", "--lr", "0.001", "--rows", "60000", "--batch-size")
COMMON = ("--holdout", "0", "--device", "cpu", "-q", "--json", "--report-every", "1000000")


class Job(NamedTuple):
    """The options of a run, and the number of iterations that measures one."""

    iterations: int
    options: tuple[str, ...]


def _adam(hidden: Sequence[int], batch: int, iterations: int) -> Job:
    return Job(iterations, ("--hidden", *map(str, hidden), *ADAM, str(batch)))


JOBS = {
    "784-1000-500-10, batch 512": _adam((1000, 500), 512, 80),
    "784-10-10-10, batch 512": _adam((10, 10), 512, 6000),
    "784-10-10-10, full batches of 41,000": Job(80, ("--rows", "41000")),
    "784-128-64-10, batch 128": _adam((128, 64), 128, 2500),
}
SHARDS = {"2 shards": 2, "8 shards": 8, "8 shards, float32 sums": 8}
# Of the model's constants: a rank's time, in one shard, for batches of two sizes.
OF_MODEL = {
    "784-1000-500-10": ((1000, 500), ((128, 150), (512, 60))),
    "784-128-64-10": ((128, 64), ((128, 3000), (512, 1500))),
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
    """Return the seconds of an iteration on N ranks, 0 for one process without MPI."""
    options = ("train", "--iterations", str(job.iterations), *COMMON, *job.options, *more)
    with tempfile.TemporaryDirectory() as folder:
        report = json.loads(_output(command(ranks, *options, "--out", f"{folder}/model")))
    return float(report["seconds"] / report["iterations"])


def _output(words: Sequence[str]) -> str:
    return subprocess.run(
        words,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        cwd=ROOT,
        env=environment(threads=1),
    ).stdout


def measured(job: Job, rounds: int) -> dict[str, Any]:
    """Let one rank and two take turns."""
    ways = {"1 process, no shards": partial(iteration, 0, job)}
    for name, shards in SHARDS.items():
        fast = ["--fast-reduce"] * ("float32" in name)
        for ranks in ("1 rank", "2 ranks"):
            options = ("--shards", str(shards), *fast)
            ways[f"{ranks}, {name}"] = partial(iteration, int(ranks[0]), job, *options)
    times = in_turn(rounds, ways)
    return {
        "seconds": {name: statistics.median(runs) for name, runs in times.items()},
        "speed_up": {
            name: round(ratio(times[f"1 rank, {name}"], times[f"2 ranks, {name}"]), 2)
            for name in SHARDS
        },
    }


def constants(rounds: int) -> dict[str, Any]:
    """Return the model's constants: seconds a row and an update, a message, a byte."""
    networks = {}
    for name, (hidden, batches) in OF_MODEL.items():
        jobs = {m: partial(iteration, 1, _adam(hidden, m, n), "--shards", "1") for m, n in batches}
        times = in_turn(rounds, jobs)
        (small, shorter), (large, longer) = ((m, statistics.median(times[m])) for m in jobs)
        row = (longer - shorter) / (large - small)
        networks[name] = {
            "parameters": parameter_count((784, *hidden, 10)),
            "seconds_a_row": row,
            "seconds_an_update": max(shorter - row * small, 0.0),
        }
    sizes = (8, *(network["parameters"] for network in networks.values()))
    program = [sys.executable, "-c", EXCHANGE, *(str(n + n % 2) for n in sizes)]
    lines = _output([*launcher(), "-n", "2", *program]).splitlines()
    of_size = {int(n): float(t) for n, t in map(str.split, lines)}
    latency, most = min(of_size.values()), max(of_size)
    return {
        "networks": networks,
        "exchange_seconds": of_size,
        "message_seconds": latency / 2,
        # Of two ranks each sends half of the sums as float64 and half of the result as float32.
        "bytes_a_second": most * 12 / 2 / (of_size[most] - latency),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--report", action="store_true", help="only write the documentation again")
    options = parser.parse_args()
    if not options.report:
        jobs = {}
        for name, job in JOBS.items():
            jobs[name] = measured(job, options.rounds)
            print(name, json.dumps(jobs[name]["speed_up"]), flush=True)
        model = constants(options.rounds)
        result = {"mpi": library(), "rounds": options.rounds, "jobs": jobs, "model": model}
        save("scaling", result | machine())
    documentation.main()


if __name__ == "__main__":
    main()
