"""Loads the batches of a run, several steps at a time, and prefetches them where that pays."""

from __future__ import annotations

import math
from collections.abc import Generator
from typing import Any, TypeAlias

from array_api_compat import array_namespace

from mnn_gpu.step.batch import Batch
from mnn_gpu.training.batches.in_memory import InMemoryEpoch
from mnn_gpu.training.batches.plan import SEGMENT, Plan
from mnn_gpu.training.batches.streaming import StreamedEpoch
from mnn_gpu.utils.prefetch import ahead

Array: TypeAlias = Any
Runs: TypeAlias = Generator[tuple[int, Batch], None, None]

READ_BYTES = 1 << 24
"""Of images that are read from the disk for one run of steps."""

PREFETCH_BYTES = 1 << 25
"""Of batches that are loaded before they are needed."""


def load_batches(plan: Plan, done: int = 0, pause: int | None = None) -> Runs:
    """Yield runs of steps: their number, and their batches, stacked along the first axis.

    A run of steps crosses neither the end of an epoch nor a report nor a multiple of ``pause``,
    and its batches have one size. The random numbers of an epoch depend on the seed and the
    epoch's number alone, so that training may start after any iteration.

    Runs are prefetched if the data are read from the disk, or if the host draws random numbers
    while another device works.

    Parameters
    ----------
    plan : Plan
    done : int
        The number of iterations before the first one.
    pause : int, optional
        At each multiple of it a run ends.
    """
    runs = _runs(plan, done, pause)
    is_read = plan.data.blocks is not None
    is_drawn = plan.config.is_random and not plan.backend.is_host
    return ahead(runs, PREFETCH_BYTES, _bytes) if is_read or is_drawn else runs


def _runs(plan: Plan, done: int, pause: int | None) -> Runs:
    segment = done // SEGMENT
    scalars = plan.scalars(segment)
    epoch = None
    while done < plan.total:
        if done // SEGMENT != segment:
            segment = done // SEGMENT
            scalars = plan.scalars(segment)
        number, place = divmod(done, plan.per_epoch)
        if epoch is None or epoch.number != number:
            epoch = _epoch(plan, number, place)
        steps = min(_run_length(plan, done), pause - done % pause if pause else plan.total)
        here = slice(done % SEGMENT, done % SEGMENT + steps)
        yield steps, epoch.batch(scalars[here, :], place, steps)
        done += steps


def _epoch(plan: Plan, number: int, place: int) -> InMemoryEpoch | StreamedEpoch:
    if plan.data.blocks is None:
        return InMemoryEpoch(plan, number, place)
    return StreamedEpoch(plan, plan.data.blocks, number, place)


def _run_length(plan: Plan, done: int) -> int:
    epoch, place = divmod(done, plan.per_epoch)
    whole = plan.rows // plan.size
    most = plan.backend.steps_per_call
    if plan.data.blocks is not None:
        row_bytes = plan.data.features * plan.data.blocks.dtype.itemsize
        most = min(most, max(1, READ_BYTES // (plan.size * row_bytes)))
    ends = (
        plan.total,
        done + most,
        (done // plan.interval + 1) * plan.interval,
        epoch * plan.per_epoch + (whole if place < whole else plan.per_epoch),
        (done // SEGMENT + 1) * SEGMENT,
    )
    return min(ends) - done


def _bytes(run: tuple[int, Batch]) -> float:
    """Return the memory that the arrays of a run take."""
    return sum(_bits(array) / 8 for array in run[1] if array is not None)


def _bits(array: Array) -> float:
    xp = array_namespace(array)
    info = xp.iinfo if xp.isdtype(array.dtype, "integral") else xp.finfo
    return float(math.prod(array.shape) * info(array.dtype).bits)
