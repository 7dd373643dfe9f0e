"""Where the contenders work, on the CPU or a GPU, and how much: little in a dry run."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, TypeVar

T = TypeVar("T")
DRY_RUN = "MNN_DRY_RUN"
VARIABLE = "MNN_BENCH_DEVICE"
DEVICE = os.environ.get(VARIABLE, "cpu")

STEPS_TIMES = 1 if DEVICE == "cpu" else 3
"""Factor of the number of steps in a measurement on a GPU, whose steps are short."""


def amount(full: T, dry: T) -> T:
    """Return how much to compute, or how little in a dry run, whose figures mean nothing."""
    return dry if os.environ.get(DRY_RUN) == "1" else full


def cupy_seconds(cupy: Any, work: Callable[[], object]) -> float:
    """Return the seconds of some work by the GPU's own clock, between two of CuPy's events."""
    start, stop = cupy.cuda.Event(), cupy.cuda.Event()
    start.record()
    work()
    stop.record()
    stop.synchronize()
    return float(cupy.cuda.get_elapsed_time(start, stop)) / 1e3


def torch_seconds(torch: Any, work: Callable[[], object]) -> float:
    """Return the same between two of PyTorch's."""
    start, stop = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    start.record()
    work()
    stop.record()
    stop.synchronize()
    return float(start.elapsed_time(stop)) / 1e3
