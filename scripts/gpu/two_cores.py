"""Prints the seconds of one step of the record recipe on two CPU cores, as on a laptop.

python -m scripts.gpu.two_cores ITERATIONS
"""

from __future__ import annotations

import os
import sys
import time
from dataclasses import replace

CORES = 2


def main() -> None:
    iterations = int(sys.argv[1])
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:CORES])
    os.environ["OMP_NUM_THREADS"] = str(CORES)
    for name in [name for name in os.environ if name.startswith("OPENBLAS_")]:
        del os.environ[name]
    from mnn_gpu import RECIPES, Hook, load_mnist, select_backend, train

    class Clock(Hook):
        """Notes when each step ended."""

        def __init__(self) -> None:
            self.ends: dict[int, float] = {}

        def on_step(self, iteration: int) -> None:
            self.ends[iteration] = time.perf_counter()

    clock = Clock()
    (X, y), _ = load_mnist()
    config = replace(RECIPES["record"].config, epochs=None, iterations=iterations)
    train(X, y, config, backend=select_backend("cpu"), hooks=[clock])
    # The first half compiles and fills the buffers of what is prefetched.
    seen = sorted(clock.ends)
    first, last = seen[len(seen) // 2 - 1], seen[-1]
    print((clock.ends[last] - clock.ends[first]) / (last - first))


if __name__ == "__main__":
    main()
