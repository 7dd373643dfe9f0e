"""How many processors there are for this process."""

from __future__ import annotations

import os


def usable_cores() -> set[int]:
    """Return the numbers of the processors that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return os.sched_getaffinity(0)
    return set(range(os.cpu_count() or 1))


def available_cores() -> int:
    """Return how many processors this process may use."""
    return len(usable_cores())


def wanted_threads(processes_per_node: int = 1) -> int:
    """Return how many threads to compute with: a processor each, or fewer if told so.

    Of processors that several processes share, each takes its part.

    ``OMP_NUM_THREADS`` and ``OPENBLAS_NUM_THREADS`` are how job schedulers, and joblib in
    the processes that it starts, tell a process its share of the machine.
    """
    told = [os.environ.get(name, "") for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")]
    limits = [int(limit) for limit in told if limit.isdecimal() and int(limit) > 0]
    return min([max(available_cores() // processes_per_node, 1), *limits])
