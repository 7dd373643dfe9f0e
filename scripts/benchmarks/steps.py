"""Jobs a to d: the time of one training step. Job f: that of a prediction by a ready model."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from typing import Any

from scripts.benchmarks.harness import OURS, LeftOutError, Team, compared
from scripts.benchmarks.jobs import JOBS, Problem

LOSS_TOLERANCE = 2e-3
"""Of what the steps gained; float32 rounding grows to a quarter of that within a job."""
LOW_PRECISION, LOW_PRECISION_TOLERANCE = "TF32", 5e-2
CALLS = {1: 2000, 10_000: 20}
"""Predictions of one measurement, by the number of images."""


def measure(
    name: str, contenders: Sequence[str], rounds: int, seconds_at_most: float = math.inf
) -> dict[str, Any]:
    """Measure a job; contenders that cannot do it, or do other work, are refused by name.

    After ``seconds_at_most`` from the beginning no second or later round is begun.
    """
    deadline = time.monotonic() + seconds_at_most
    job = JOBS[name]
    problem = Problem.of(job)
    start = problem.loss(problem.theta)
    with Team(contenders, name) as team:
        first_calls = team.ask("advance")
        facts = team.ask("facts")
        if OURS not in facts:
            raise LeftOutError(f"{OURS}: {team.left_out[OURS]}")
        steps = facts[OURS]["steps"]  # On a GPU more than here.
        losses = {name: found["loss"] for name, found in facts.items()}

        def is_like(contender: str, loss: float) -> bool:
            low = LOW_PRECISION in contender
            tolerance = LOW_PRECISION_TOLERANCE if low else LOSS_TOLERANCE
            return bool(abs(loss - losses[OURS]) <= tolerance * (start - losses[OURS]))

        team.refuse_unlike(losses, is_like, "loss")
        seconds: dict[str, list[float]] = {worker.contender: [] for worker in team.workers}
        for worker in team.rounds(rounds, deadline):
            worker.ask("advance")
            seconds[worker.contender].append(worker.ask("advance") / steps)
        by_its_clock = team.ask("by_its_clock")
        costs = team.ask("facts")
    rows = compared(seconds)
    for contender, row in rows.items():
        row |= {"first_call": first_calls[contender], "loss": losses[contender]}
        row |= {name: costs.get(contender, {}).get(name) for name in ("setup", "peak_memory")}
        if by_its_clock.get(contender) is not None:
            row["by_its_clock"] = by_its_clock[contender] / steps
    return {
        "title": job.title,
        "steps": steps,
        "flops": job.flops,
        "start_loss": start,
        "contenders": rows,
        "left_out": team.left_out,
    }


def measure_prediction(
    job: str, images: int, contenders: Sequence[str], rounds: int
) -> dict[str, Any]:
    """Measure predictions of N images at once; contenders with other labels are refused."""
    with Team([c for c in contenders if c != "notebook float64"], job) as team:
        team.ask("advance")
        team.ask("predict", images=images, calls=1)
        digests = team.ask("digest")
        if images == 1:  # Of more, rounding may turn one or the other.
            team.refuse_unlike(digests, lambda _, digest: digest == digests[OURS], "labels")
        seconds: dict[str, list[float]] = {worker.contender: [] for worker in team.workers}
        for worker in team.rounds(rounds):
            taken = worker.ask("predict", images=images, calls=CALLS[images])
            seconds[worker.contender].append(taken)
    count = "one image" if images == 1 else f"{images:,} images"
    return {
        "title": f"prediction of {count}, {'-'.join(map(str, JOBS[job].sizes))}",
        "contenders": compared(seconds),
        "left_out": team.left_out,
    }
