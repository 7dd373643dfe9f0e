"""Jobs a to d: the time of one training step."""

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


def measure(
    name: str, contenders: Sequence[str], rounds: int, seconds_at_most: float = math.inf
) -> dict[str, Any]:
    """Measure a job; contenders that cannot do it, or do other work, are refused by name.

    Parameters
    ----------
    name : str
    contenders : sequence of str
    rounds : int
    seconds_at_most : float
        From the beginning on: after them no second or later round is begun.
    """
    deadline = time.monotonic() + seconds_at_most
    job = JOBS[name]
    problem = Problem.of(job)
    start = problem.loss(problem.theta)
    with Team(contenders, name) as team:
        steps = team.ask("steps").get(OURS)  # On a GPU more than here.
        first_calls = team.ask("advance")
        losses = team.ask("loss")
        if OURS not in losses:
            raise LeftOutError(f"{OURS}: {team.left_out[OURS]}")
        gained = start - losses[OURS]
        team.refuse_unlike(
            losses, lambda who, loss: _is_like(who, loss, losses[OURS], gained), "loss"
        )
        seconds: dict[str, list[float]] = {worker.contender: [] for worker in team.workers}
        for worker in team.rounds(rounds, deadline):
            worker.ask("warm_up")
            seconds[worker.contender].append(worker.ask("advance") / steps)
        by_its_clock = team.ask("by_its_clock")
        setup, memory = team.ask("setup"), team.ask("memory")
    rows = compared(seconds)
    for contender, row in rows.items():
        row |= {
            "setup": setup.get(contender),
            "first_call": first_calls[contender],
            "loss": losses[contender],
            "peak_memory": memory.get(contender),
        }
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


def _is_like(contender: str, loss: float, ours: float, gained: float) -> bool:
    is_low = LOW_PRECISION in contender
    return abs(loss - ours) <= (LOW_PRECISION_TOLERANCE if is_low else LOSS_TOLERANCE) * gained
