"""Job j: how the time of a step grows with the rows and with the units.

python -m scripts.benchmarks.growth KIND SIZE
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Sequence
from typing import Any

import numpy as np

from scripts.benchmarks.harness import OURS, output

ROWS = (5_000, 10_000, 20_000, 50_000, 100_000, 200_000, 500_000, 1_000_000)
WIDTHS = (16, 32, 64, 128, 256, 512, 1024, 2048, 4096)
FITTED_FROM = {"rows": 20_000, "widths": 512}
REPEATS = 5


def measure(kind: str, _contenders: Sequence[str], rounds: int) -> dict[str, Any]:
    """Measure this package alone: medians of some rounds, and the slope of the logarithms."""
    sizes = ROWS if kind == "rows" else WIDTHS
    seconds: dict[int, list[float]] = {size: [] for size in sizes}
    for _ in range(min(rounds, 3)):
        for size in sizes:
            seconds[size].append(output("scripts.benchmarks.growth", kind, str(size)))
    medians = [float(np.median(seconds[size])) for size in sizes]
    fitted = [i for i, size in enumerate(sizes) if size >= FITTED_FROM[kind]]
    slope, constant = np.polyfit(
        np.log([sizes[i] for i in fitted]), np.log([medians[i] for i in fitted]), 1
    )
    titles = {
        "rows": "full-batch iteration, 784-10-10-10, by rows (repeated images beyond 60,000)",
        "widths": "Adam step, 784-N-N-10, batch 128, by units N",
    }
    return {
        "title": titles[kind],
        "sizes": list(sizes),
        "medians": medians,
        "slope": float(slope),
        "fit": {sizes[i]: float(np.exp(constant) * sizes[i] ** slope) for i in fitted},
        "contenders": {},
        "left_out": {},
    }


def main() -> None:
    kind, size = sys.argv[1], int(sys.argv[2])
    import mnn_gpu  # noqa: F401 - sets OpenBLAS up before NumPy is used
    from mnn_gpu.data import bundled_mnist
    from scripts.benchmarks.contenders import CONTENDERS
    from scripts.benchmarks.jobs import Job, Problem, orders, parameters

    data = bundled_mnist("train")
    if kind == "rows":
        job = Job(kind, kind, (10, 10), None, "sgd", 0.1, max(1, 100_000 // size), size)
        rows = np.arange(size) % len(data)
        X, y = data.X[rows], data.labels()[rows]
    else:
        steps = max(2, min(400, 40_000 // size))
        job = Job(kind, kind, (size, size), 128, "adam", 1e-4, steps)
        X, y = data.X[: job.rows], data.labels()[: job.rows]
    runner: Any = CONTENDERS[OURS](Problem(job, X, y, None, None))
    runner.start(parameters(job, 0))
    runner.prepare(orders(job, 0, 0), job.learning_rate)
    runner.advance()
    seconds = []
    for _ in range(REPEATS):
        started = time.perf_counter()
        runner.advance()
        seconds.append((time.perf_counter() - started) / job.steps)
    print(json.dumps(float(np.median(seconds))))


if __name__ == "__main__":
    main()
