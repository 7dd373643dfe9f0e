"""The number of processors available to this process."""

from __future__ import annotations

import os

LIMITS = (
    *("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"),
    "VECLIB_MAXIMUM_THREADS",
)


def usable_cores() -> set[int]:
    """Return the numbers of the processors available to this process."""
    if hasattr(os, "sched_getaffinity"):
        return os.sched_getaffinity(0)
    return set(range(os.cpu_count() or 1))


def available_cores() -> int:
    """Return the number of processors available to this process."""
    return len(usable_cores())


def thread_count(processes_per_node: int = 1) -> int:
    """Return the number of threads to compute with: one per available processor, or fewer.

    Processes on the same node share its processors evenly. ``OMP_NUM_THREADS`` and the variables
    of OpenBLAS, MKL and Accelerate are upper limits: job schedulers, and joblib in the processes
    that it starts, set them to a process's share of the machine.
    """
    values = [os.environ.get(name, "") for name in LIMITS]
    limits = [int(limit) for limit in values if limit.isdecimal() and int(limit) > 0]
    return min([max(available_cores() // processes_per_node, 1), *limits])
