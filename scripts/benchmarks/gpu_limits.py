"""What a GPU can do at most, measured through CuPy in the same run as the contenders."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

from mnn_gpu import select_backend
from scripts.benchmarks.device import amount, cupy_seconds

REPEATS = amount(20, 2)
NUMBERS = amount(1 << 28, 1 << 12)
SIDE = amount(8192, 64)


def limits() -> dict[str, float]:
    """Return copy bandwidth, the speed of a large product, and the time of an empty launch."""
    backend: Any = select_backend("cuda")
    cupy = backend.cupy
    with backend.active():
        x = cupy.ones(NUMBERS, cupy.float32)
        y = cupy.empty_like(x)
        A = cupy.ones((SIDE, SIDE), cupy.float32)
        C = cupy.empty_like(A)
        one = cupy.ones(1, cupy.float32)
        copy = _seconds(cupy, lambda: cupy.copyto(y, x))
        product = _seconds(cupy, lambda: cupy.matmul(A, A, out=C))
        launch = _seconds(cupy, lambda: cupy.add(one, one, out=one), 50 * REPEATS)
        host = x[: NUMBERS >> 4].get()
        started = time.perf_counter()
        cupy.asarray(host)
        cupy.cuda.Device().synchronize()
        upload = time.perf_counter() - started
    return {
        "copy_gigabytes_a_second": 2 * x.nbytes / copy / 1e9,
        "sgemm_gflops": 2 * SIDE**3 / product / 1e9,
        "launch_microseconds": launch * 1e6,
        "upload_gigabytes_a_second": host.nbytes / upload / 1e9,
    }


def _seconds(cupy: Any, work: Callable[[], object], repeats: int = REPEATS) -> float:
    """Return the device's seconds of one of many in a row, by its own clock."""
    for _ in range(3):
        work()

    def many() -> None:
        for _ in range(repeats):
            work()

    return cupy_seconds(cupy, many) / repeats


if __name__ == "__main__":
    print(json.dumps(limits()))
