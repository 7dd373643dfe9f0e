"""Job g: reading Kaggle's train.csv, 42,000 rows, to arrays of pixels and labels.

python -m scripts.benchmarks.reading READER FILE
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
import zlib
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from scripts.benchmarks.harness import compared, in_turn, output

Pair = tuple[Any, Any]


def mnn_gpu(path: str) -> Pair:
    from mnn_gpu import load_dataset

    data = load_dataset(path)
    return data.X, data.y


def pandas(path: str, dtype: Any = None) -> Pair:
    import pandas as pd

    data = pd.read_csv(path, dtype=dtype).to_numpy()
    return data[:, 1:], data[:, 0]


def polars(path: str) -> Pair:
    import polars

    data = polars.read_csv(path).to_numpy()
    return data[:, 1:], data[:, 0]


READERS: dict[str, Callable[[str], Pair]] = {
    "mnn_gpu": mnn_gpu,
    "notebook float64": pandas,
    "pandas, uint8": partial(pandas, dtype=np.uint8),
    "polars": polars,
}


def measure(_contenders: Sequence[str], rounds: int) -> dict[str, Any]:
    """Measure every reader, each time in its own process, what it imports not counted."""
    left_out: dict[str, str] = {}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "train.csv"
        write_csv(path)
        module = "scripts.benchmarks.reading"
        ways = {name: partial(output, module, name, str(path)) for name in READERS}
        found = in_turn(rounds, ways, left_out)
    if len({run["digest"] for runs in found.values() for run in runs}) != 1:
        raise AssertionError("the readers disagree about the file")
    seconds = {name: [run["seconds"] for run in runs] for name, runs in found.items()}
    title = "reading train.csv, 42,000 rows"
    return {"title": title, "contenders": compared(seconds), "left_out": left_out}


def write_csv(path: Path) -> None:
    """Write MNIST's first 42,000 images as Kaggle has them."""
    from mnn_gpu.data import bundled_mnist

    data = bundled_mnist("train")
    cells = np.column_stack([data.labels(), data.X])[:42_000]
    lines = [",".join(["label", *(f"pixel{i}" for i in range(784))])]
    lines += [",".join(map(str, row)) for row in cells.tolist()]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    path.with_suffix(".small.csv").write_text("\n".join(lines[:3]) + "\n")


def main() -> None:
    reader, path = READERS[sys.argv[1]], sys.argv[2]
    reader(str(Path(path).with_suffix(".small.csv")))
    started = time.perf_counter()
    X, y = reader(path)
    seconds = time.perf_counter() - started
    digest = zlib.crc32(b"".join(np.asarray(part, np.uint8).tobytes() for part in (X, y)))
    print(json.dumps({"seconds": seconds, "digest": digest}))


if __name__ == "__main__":
    main()
