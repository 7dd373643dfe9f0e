"""Job f: the time of a prediction by a trained model that is ready."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from scripts.benchmarks.harness import OURS, Team, compared

CALLS = {1: 2000, 10_000: 20}


def measure(job: str, images: int, contenders: Sequence[str], rounds: int) -> dict[str, Any]:
    """Measure a prediction of so many images; who gives other labels is refused."""
    with Team([c for c in contenders if c != "notebook float64"], job) as team:
        team.ask("warm_up")
        team.ask("predict", images=images, calls=1)
        digests = team.ask("digest")
        if images == 1:  # Of more, rounding may turn one or the other.
            team.refuse_unlike(digests, lambda _, digest: digest == digests[OURS], "labels")
        seconds: dict[str, list[float]] = {worker.contender: [] for worker in team.workers}
        for worker in team.rounds(rounds):
            seconds[worker.contender].append(
                worker.ask("predict", images=images, calls=CALLS[images])
            )
        sizes = {"b": "784-10-10-10", "c": "784-128-64-10"}[job]
    count = "one image" if images == 1 else f"{images:,} images"
    return {
        "title": f"prediction of {count}, {sizes}",
        "contenders": compared(seconds),
        "left_out": team.left_out,
    }
