"""Jobs a to d: the time of one training step."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from scripts.benchmarks.harness import OURS, Team, compared
from scripts.benchmarks.jobs import JOBS, Problem

LOSS_TOLERANCE = 2e-3
"""Of what the steps gained; float32 rounding grows to a quarter of that within a job."""


def measure(name: str, contenders: Sequence[str], rounds: int) -> dict[str, Any]:
    """Measure a job; contenders that cannot do it, or do other work, are refused by name."""
    job = JOBS[name]
    problem = Problem.of(job)
    start = problem.loss(problem.theta)
    with Team(contenders, name) as team:
        steps = team.ask("steps")[OURS]  # On a GPU more than here.
        first_calls = team.ask("advance")
        losses = team.ask("loss")
        gained = start - losses[OURS]
        team.refuse_unlike(
            losses, lambda loss: abs(loss - losses[OURS]) <= LOSS_TOLERANCE * gained, "loss"
        )
        seconds: dict[str, list[float]] = {worker.contender: [] for worker in team.workers}
        for worker in team.rounds(rounds):
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
