"""How many processors there are for this process."""

from __future__ import annotations

import os


def available_cores() -> int:
    """Return how many processors this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def wanted_threads() -> int:
    """Return how many threads to compute with: a processor each, or fewer if told so.

    ``OMP_NUM_THREADS`` and ``OPENBLAS_NUM_THREADS`` are how job schedulers, and joblib in
    the processes that it starts, tell a process its share of the machine.
    """
    told = [os.environ.get(name, "") for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")]
    limits = [int(limit) for limit in told if limit.isdecimal() and int(limit) > 0]
    return min([available_cores(), *limits])
