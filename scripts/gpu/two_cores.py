"""Prints the seconds of one step of the record recipe on two CPU cores, as on a laptop.

python -m scripts.gpu.two_cores
"""

from __future__ import annotations

import os
import time
from dataclasses import replace

CORES = 2
CALLS = 2
"""Each runs several steps; the first half of them compiles and fills the buffers of prefetching."""


def main() -> None:
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:CORES])
    os.environ["OMP_NUM_THREADS"] = str(CORES)
    for name in [name for name in os.environ if name.startswith("OPENBLAS_")]:
        del os.environ[name]
    from mnn_gpu import Hook, load_mnist, select_backend, train
    from scripts.gpu.bench import RECORD

    class Clock(Hook):
        """Notes when each call ended."""

        def __init__(self) -> None:
            self.ends: dict[int, float] = {}

        def on_step(self, iteration: int) -> None:
            self.ends[iteration] = time.perf_counter()

    clock = Clock()
    (X, y), _ = load_mnist()
    backend = select_backend("cpu")
    config = replace(RECORD, epochs=None, iterations=CALLS * backend.steps_per_call)
    train(X, y, config, backend=backend, hooks=[clock])
    first, last = (half * backend.steps_per_call for half in (CALLS // 2, CALLS))
    print((clock.ends[last] - clock.ends[first]) / (last - first))


if __name__ == "__main__":
    main()
