"""Jobs e, h and p: the time until there is a result.

e: from the first step to an accuracy on the test set. h: from the start of a process to
its first iteration. p: from the start of a process to the accuracy.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from functools import partial
from itertools import count
from typing import Any

from scripts.benchmarks.harness import (
    OURS,
    SETTLE_SECONDS,
    LeftOutError,
    Team,
    Worker,
    compared,
    in_turn,
)
from scripts.benchmarks.jobs import JOBS, RACES

NOTEBOOK = "notebook float64"
NOTEBOOK_ITERATIONS = 1000
MOST_SEEDS = 5
TEST_EVERY = 4


def measure(name: str, contenders: Sequence[str], rounds: int) -> dict[str, Any]:
    """Measure from the first step on, each contender compiled before; median of the seeds.

    The notebook's own way to 91.4% are its 1,000 full-batch iterations, at the time that one
    takes.
    """
    race = RACES[name]
    with Team([c for c in contenders if c != NOTEBOOK], name) as team:
        team.ask("advance")  # Compiles, and the second time captures a GPU's graphs.
        team.ask("advance")
        seconds: dict[str, list[float]] = {worker.contender: [] for worker in team.workers}
        steps: dict[str, list[int]] = {worker.contender: [] for worker in team.workers}
        for seed in range(max(2, min(rounds, MOST_SEEDS))):
            for worker in list(team.workers):
                time.sleep(SETTLE_SECONDS)
                result = worker.ask("race", seed=seed)
                if result["reached"]:
                    seconds[worker.contender].append(result["seconds"])
                    steps[worker.contender].append(result["steps"])
                else:
                    team.refuse(worker, f"seed {seed}: not within {race.total} steps")
                    del seconds[worker.contender]
    if name == "e1" and NOTEBOOK in contenders:
        with Team([NOTEBOOK], "a") as team_of_one:
            team_of_one.ask("advance")
            taken = team_of_one.ask("advance")[NOTEBOOK] / JOBS["a"].steps * NOTEBOOK_ITERATIONS
        seconds[NOTEBOOK] = [taken] * len(seconds[OURS])
    rows = compared(seconds)
    for contender, counts in steps.items():
        if contender in rows:
            rows[contender]["steps"] = counts
    return {"title": f"first step {race.title}", "contenders": rows, "left_out": team.left_out}


def measure_first(contenders: Sequence[str], rounds: int) -> dict[str, Any]:
    """Measure imports, reading, compiling and one full-batch iteration."""
    return _from_the_start("first", "first iteration, 784-10-10-10", contenders, rounds)


def measure_process(contenders: Sequence[str], rounds: int) -> dict[str, Any]:
    """Measure imports, reading, compiling and training to 98.0%."""
    racing = [contender for contender in contenders if contender != NOTEBOOK]
    return _from_the_start("e2", "98.0%, 784-128-64-10", racing, min(rounds, MOST_SEEDS))


def _from_the_start(
    job: str, target: str, contenders: Sequence[str], rounds: int
) -> dict[str, Any]:
    left_out: dict[str, str] = {}
    ways = {name: partial(_process_seconds, name, job, count()) for name in contenders}
    seconds = compared(in_turn(rounds, ways, left_out))
    return {"title": f"process start to {target}", "contenders": seconds, "left_out": left_out}


def _process_seconds(contender: str, job: str, seeds: Iterator[int]) -> float:
    time.sleep(SETTLE_SECONDS)
    started = time.perf_counter()
    worker = Worker(contender, job)
    try:
        if worker.left_out is not None:
            raise LeftOutError(worker.left_out)
        if job not in RACES:
            worker.ask("advance")
        elif not worker.ask("race", seed=next(seeds), every=TEST_EVERY)["reached"]:
            raise LeftOutError("the target was not reached")
        return time.perf_counter() - started
    finally:
        worker.end()
