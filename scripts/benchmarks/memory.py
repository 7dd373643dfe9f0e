"""Job i: the peak memory of a process that reads train.csv and trains.

python -m scripts.benchmarks.memory CONTENDER JOB FILE
"""

from __future__ import annotations

import importlib
import json
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from scripts.benchmarks.harness import LeftOutError, compared, output
from scripts.benchmarks.peak import peak_memory


def measure(job: str, contenders: Sequence[str], _rounds: int) -> dict[str, Any]:
    """Measure each contender once; memory hardly varies."""
    from scripts.benchmarks.jobs import JOBS
    from scripts.benchmarks.reading import write_csv

    left_out: dict[str, str] = {}
    peaks: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "train.csv"
        write_csv(path)
        for contender in contenders:
            try:
                peak = output("scripts.benchmarks.memory", contender, job, str(path))
                peaks[contender] = [peak]
            except LeftOutError as error:
                left_out[contender] = str(error)
    return {
        "title": f"peak memory, train.csv read and trained on: {JOBS[job].title}",
        "unit": "bytes",
        "contenders": compared(peaks),
        "left_out": left_out,
    }


def main() -> None:
    contender, job, path = sys.argv[1:]
    importlib.import_module("mnn_gpu" if contender.startswith("mnn_gpu") else "numpy")
    from scripts.benchmarks.contenders import CONTENDERS
    from scripts.benchmarks.jobs import JOBS, Problem, orders, parameters
    from scripts.benchmarks.reading import READERS, pandas_uint8

    # This package and the notebook read in their own ways.
    X, y = READERS.get(contender, pandas_uint8)(path)
    few = replace(JOBS[job], steps=3)
    X, y = X[: few.rows], np.asarray(y[: few.rows], np.int64)
    runner: Any = CONTENDERS[contender](Problem(few, X, y, parameters(few, 0), orders(few, 0, 0)))
    runner.start(parameters(few, 0))
    runner.prepare(orders(few, 0, 0), few.learning_rate)
    runner.advance()
    print(json.dumps(peak_memory()))


if __name__ == "__main__":
    main()
