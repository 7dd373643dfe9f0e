"""Batches of data in the device's memory: the numbers of their rows."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from mnn_gpu.step.batch import Batch
from mnn_gpu.training.batches.noise import batch_draws, own_parts
from mnn_gpu.training.batches.plan import Plan

Array: TypeAlias = Any


class InMemoryEpoch:
    """One pass over the data: its order and its random numbers, from a step on."""

    def __init__(self, plan: Plan, number: int, place: int) -> None:
        self.plan = plan
        self.number = number
        self.whole = plan.per_epoch == 1 and not plan.config.is_random
        self.order: npt.NDArray[np.int32] = np.empty(0, np.int32)
        if not self.whole:
            self.order = plan.order(number)
        self.on_device = plan.backend.asarray(self.order)
        self.draws = plan.draws(number)
        for draws, part in zip(self.draws, plan.parts(plan.size), strict=True):
            draws.skip(place, part.stop - part.start)

    def batch(self, scalars: Array, place: int, steps: int) -> Batch:
        """Return the batches of the next steps; to be asked for in their order."""
        plan, m = self.plan, self.plan.batch_rows(place)
        share = plan.share(m, steps)
        if self.whole:
            return Batch(scalars, sample_weight=share)
        parts = plan.parts(m)
        here = slice(place * plan.size, place * plan.size + steps * m)
        own = slice(parts[0].start, parts[-1].stop)
        rows = plan.backend.xp.reshape(self.on_device[here], (steps, m))[:, own]
        if not plan.config.is_random:
            return Batch(scalars, rows, sample_weight=share)
        half_turned = plan.data.half_turned[self.order[here].reshape(steps, m)[:, own]]
        drawn = batch_draws(
            self.draws, own_parts(parts), half_turned, plan.task, plan.backend.asarray
        )
        return Batch(scalars, rows, *drawn, share)
