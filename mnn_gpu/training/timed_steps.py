"""The time of a run's steps on its device, measured by making some of them."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from contextlib import closing

from mnn_gpu.step.batch import Batch
from mnn_gpu.training.batches.loader import load_batches
from mnn_gpu.training.run import TrainingRun

SLOW = 5.0
"""Seconds: if the first step takes longer, no second one is timed."""


class Calls:
    """The seconds of calls of the compiled step; those that also compile are counted apart.

    Parameters
    ----------
    first_calls : int
        Number of calls of each form (number of steps, rows) that compile or capture.
    """

    def __init__(self, first_calls: int) -> None:
        self.first_calls = first_calls
        self.seen: Counter[tuple[int, int]] = Counter()
        self.seconds = {True: 0.0, False: 0.0}
        self.steps = {True: 0, False: 0}

    def add(self, form: tuple[int, int], seconds: float) -> None:
        is_first = self.seen[form] < self.first_calls
        self.seen[form] += 1
        self.seconds[is_first] += seconds
        self.steps[is_first] += form[0]

    @property
    def step(self) -> float:
        """Seconds of a step, without compilation if possible."""
        only_first = not self.steps[False]
        return self.seconds[only_first] / self.steps[only_first]

    @property
    def setup(self) -> float:
        """Seconds that the first calls took longer than later ones."""
        return max(self.seconds[True] - self.steps[True] * self.step, 0.0)


def timed_calls(run: TrainingRun, seconds: float) -> Calls:
    """Make steps one by one; then, if they are short, as many in a call as the run makes."""
    calls = Calls(1 if run.backend.is_host else 2)
    _make_calls(run, calls, 1, lambda: bool(calls.steps[False]) or calls.seconds[True] > SLOW)
    # All ranks must make the same calls: one decides for all.
    is_long = run.ranks.max(int(calls.step * run.backend.steps_per_call >= seconds))
    if calls.steps[False]:
        pause = 1 if is_long else None
        _make_calls(run, calls, pause, lambda: calls.seconds[False] >= seconds)
    return calls


def _make_calls(
    run: TrainingRun, calls: Calls, pause: int | None, is_enough: Callable[[], bool]
) -> None:
    """Make steps until they are enough, on all ranks, or the run ends."""
    if run.ranks.max(int(is_enough())) or run.iteration == run.plan.total:
        return
    began = time.perf_counter()
    with closing(load_batches(run.plan, run.data, run.iteration, pause)) as batches:
        for steps, batch in batches:
            rows = run.plan.batch_rows(run.iteration % run.plan.per_epoch)
            _advance(run, steps, batch)
            now = time.perf_counter()
            calls.add((steps, rows), now - began)
            began = now
            if run.ranks.max(int(is_enough())):
                return


def _advance(run: TrainingRun, steps: int, batch: Batch) -> None:
    run.advance(steps, batch)
    run.backend.synchronize()
