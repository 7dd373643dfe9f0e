"""What the machine can do at most, measured in the same run as the contenders."""

from __future__ import annotations

import importlib
import time
from collections.abc import Callable


def sgemm_gflops() -> float:
    """Return the speed of a large float32 product through NumPy, in GFLOP/s."""
    importlib.import_module("mnn_gpu")  # Sets OpenBLAS up before NumPy is loaded.
    import numpy as np

    A = np.ones((2048, 2048), np.float32)
    out = np.empty_like(A)
    return 2 * 2048**3 / _best(lambda: np.matmul(A, A, out=out)) / 1e9


def read_gigabytes_per_second() -> float:
    """Return the speed at which one thread sums up 256 MB, in GB/s."""
    import numpy as np

    x = np.ones(1 << 26, np.float32)
    return x.nbytes / _best(lambda: x.sum()) / 1e9


def _best(function: Callable[[], object]) -> float:
    function()
    seconds = []
    for _ in range(7):
        started = time.perf_counter()
        function()
        seconds.append(time.perf_counter() - started)
    return min(seconds)


def threads() -> int:
    """Return how many threads NumPy's matrix library takes by itself."""
    from threadpoolctl import threadpool_info

    return max(int(library["num_threads"]) for library in threadpool_info())


if __name__ == "__main__":
    import json

    limits = {"sgemm": sgemm_gflops(), "read": read_gigabytes_per_second(), "threads": threads()}
    print(json.dumps(limits))
