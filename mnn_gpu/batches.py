"""Which rows go into which step, and with which learning rate: the plan of a training."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, TypeAlias

import numpy as np

from mnn_gpu.backend import Backend
from mnn_gpu.config import TrainingConfig
from mnn_gpu.optimizers import SCHEDULES, Optimizer, step_scalars
from mnn_gpu.randomness import ORDER, generator
from mnn_gpu.step import Batch

Array: TypeAlias = Any

SEGMENT = 4096
"""Steps whose scalars are computed and brought to the device at a time."""


def planned_batches(
    config: TrainingConfig, optimizer: Optimizer, rows: int, backend: Backend
) -> Iterator[tuple[int, Batch]]:
    """Yield runs of steps: how many, and their batches, stacked along the first axis.

    A run crosses neither the end of an epoch nor a report, and its batches have one
    size. Each epoch's order depends on the seed and the epoch alone.
    """
    total, per_epoch = config.total_iterations(rows), config.steps_per_epoch(rows)
    interval, size = config.reporting_interval(rows), config.batch_size or rows
    whole = rows // size
    scalars = order = None
    segment = done = 0
    while done < total:
        epoch, place = divmod(done, per_epoch)
        if scalars is None or done == segment + SEGMENT:
            segment = done
            coming = range(done, min(done + SEGMENT, total))
            scalars = _scalars(config, optimizer, coming, total, backend)
        if per_epoch > 1 and place == 0:
            shuffled = generator(ORDER, config.seed, epoch).permutation(rows)
            order = backend.asarray(shuffled, dtype=np.int32)
        ends = (
            total,
            done + backend.steps_per_call,
            (done // interval + 1) * interval,
            epoch * per_epoch + (whole if place < whole else per_epoch),
            segment + SEGMENT,
        )
        steps = min(ends) - done
        here = slice(done - segment, done - segment + steps)
        taken = None
        if order is not None:
            first = place * size
            taken = order[first : min(first + steps * size, rows)]
            taken = backend.xp.reshape(taken, (steps, -1))
        yield steps, Batch(scalars[0, here], scalars[1, here], taken)
        done += steps


def _scalars(
    config: TrainingConfig, optimizer: Optimizer, steps: range, total: int, backend: Backend
) -> Array:
    """Return rate and epsilon of these steps, (2, steps), on the device."""
    schedule = SCHEDULES[config.schedule]
    values = step_scalars(optimizer, schedule, config.learning_rate, steps, total)
    return backend.asarray(np.array(values).T, dtype=config.dtype)
