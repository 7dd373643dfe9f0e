"""Loads the batches of a run, for several steps at a time, and prefetches them where that pays."""

from __future__ import annotations

import math
from collections.abc import Generator, Iterable
from typing import Any, TypeAlias

from array_api_compat import array_namespace

from mnn_gpu.step.batch import Batch
from mnn_gpu.training.batches.device_data import DeviceData
from mnn_gpu.training.batches.plan import SEGMENT, BatchPlan
from mnn_gpu.utils.prefetch import prefetch

Array: TypeAlias = Any
Batches: TypeAlias = Generator[tuple[int, Batch], None, None]

READ_BYTES = 1 << 24
"""Bytes of images that are read from the disk at a time."""

PREFETCH_BYTES = 1 << 25
"""Bytes of batches that are loaded in advance."""


def load_batches(
    plan: BatchPlan, data: DeviceData, done: int = 0, pause: int | None = None
) -> Batches:
    """Yield a number of steps and their batches, stacked along the first axis.

    These steps do not cross the end of an epoch, a record or a multiple of ``pause``, and their
    batches have one size. The random numbers of an epoch depend on the seed and the index of the
    epoch only, so a run may continue after any iteration: ``done`` are made already.

    Batches are prefetched if the data are read from the disk, or if the host draws random
    numbers while another device computes.
    """
    batches = _batches(plan, data, done, pause)
    is_drawn = plan.config.is_random and not plan.backend.is_host
    return prefetch(batches, PREFETCH_BYTES, _bytes) if data.row_bytes or is_drawn else batches


def _batches(plan: BatchPlan, data: DeviceData, done: int, pause: int | None) -> Batches:
    segment = current = None
    while done < plan.total:
        if done // SEGMENT != segment:
            segment = done // SEGMENT
            scalars = plan.scalars(segment)
        number, place = divmod(done, plan.per_epoch)
        if number != current:
            current, epoch = number, data.epoch(plan, number, place)
        steps = _steps(plan, data.row_bytes, done, pause)
        here = slice(done % SEGMENT, done % SEGMENT + steps)
        yield steps, epoch.batch(scalars[here, :], place, steps)
        done += steps


def _steps(plan: BatchPlan, row_bytes: int, done: int, pause: int | None) -> int:
    """Return how many steps to make at a time after ``done`` of them."""
    epoch, place = divmod(done, plan.per_epoch)
    whole = plan.rows // plan.size
    most = plan.backend.steps_per_call
    if row_bytes:
        most = min(most, max(1, READ_BYTES // (plan.size * row_bytes)))
    ends = (
        plan.total,
        done + most,
        (done // plan.interval + 1) * plan.interval,
        epoch * plan.per_epoch + (whole if place < whole else plan.per_epoch),
        (done // SEGMENT + 1) * SEGMENT,
        (done // pause + 1) * pause if pause else plan.total,
    )
    return min(ends) - done


def _bytes(item: tuple[int, Batch]) -> int:
    """Return the memory that the arrays of some batches take."""
    return array_bytes(array for array in item[1] if array is not None)


def array_bytes(arrays: Iterable[Array]) -> int:
    """Return the memory that the elements of arrays of any library take."""
    return int(sum(math.prod(array.shape) * _bits(array) / 8 for array in arrays))


def _bits(array: Array) -> float:
    xp = array_namespace(array)
    info = xp.iinfo if xp.isdtype(array.dtype, "integral") else xp.finfo
    return float(info(array.dtype).bits)
