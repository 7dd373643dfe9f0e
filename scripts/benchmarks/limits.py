"""What the machine can do at most, measured in the same run as the contenders."""

from __future__ import annotations

import json
import timeit
from collections.abc import Callable

import mnn_gpu  # noqa: F401 - sets OpenBLAS up before NumPy is loaded

import numpy as np  # isort: skip
from threadpoolctl import threadpool_info  # isort: skip


def fastest(work: Callable[[], object]) -> float:
    """Return the shortest of eight times, in seconds."""
    return min(timeit.repeat(work, number=1, repeat=8))


def main() -> None:
    """Print the speed of a large product (GFLOP/s), of one thread's reading (GB/s), the threads."""
    A, x = np.ones((2048, 2048), np.float32), np.ones(1 << 26, np.float32)
    out = np.empty_like(A)
    limits = {
        "sgemm": 2 * 2048**3 / fastest(lambda: np.matmul(A, A, out=out)) / 1e9,
        "read": x.nbytes / fastest(lambda: x.sum()) / 1e9,
        "threads": max(int(library["num_threads"]) for library in threadpool_info()),
    }
    print(json.dumps(limits))


if __name__ == "__main__":
    main()
