"""Trains on a set that stays on the disk and, in turn, on the same set in memory.

    python -m scripts.checks.larger_than_memory [--gigabytes 6] [--rounds 3] [--folder DIR]

The set is MNIST over and over, each copy with noise of its own. Prints and writes
scripts/results/larger-than-memory.json: the peak of the resident memory of each process, with
all pages of files that are mapped, and the time of an iteration. Needs room for the set on the
disk, and for the comparison in memory.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from mnn_gpu import load_mnist
from mnn_gpu.data.npy_folder.writer import FolderWriter
from scripts.benchmarks.harness import environment, machine

RESULT = Path(__file__).parents[1] / "results" / "larger-than-memory.json"
NETWORK = ("--hidden", "128", "64", "--batch-size", "128", "--optimizer", "adam", "--lr", "0.001")
WAYS = {"on the disk": "--stream", "in memory": "--no-stream"}


def make(folder: Path, size: float) -> int:
    """Write a set of so many bytes; return its rows."""
    (X, y), _ = load_mnist()
    copies: int = max(1, round(size / X.nbytes))
    writer = FolderWriter(folder, "uint8", X.shape[1], labelled=True)
    for copy in range(copies):
        noise = np.random.default_rng(copy).integers(0, 32, X.shape, dtype=np.uint8)
        writer.write(np.where(X > 223, X, X + noise), y)
    return writer.finish((28, 28)).rows


def trained(data: Path, way: str, iterations: int) -> dict[str, float]:
    """Train in a process of its own."""
    arguments = ["train", "--data", data, way, *NETWORK, "--iterations", iterations]
    arguments += ["--report-every", iterations, "-q", "--json", "--device", "cpu"]
    code = (
        "import resource, sys; from mnn_gpu.cli.main import main; main(sys.argv[1:]); "
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)"
    )
    with tempfile.TemporaryDirectory() as folder:
        result = subprocess.run(
            [sys.executable, "-c", code, *map(str, arguments), "--out", f"{folder}/model"],
            stdout=subprocess.PIPE,
            text=True,
            check=True,
            env=environment(),
        )
    text, _, peak = result.stdout.strip().rpartition("\n")
    report = json.loads(text)
    unit = 1 if sys.platform == "darwin" else 1024
    return {
        "microseconds": report["seconds"] / report["iterations"] * 1e6,
        "peak_megabytes": int(peak) * unit / 1e6,
        "loss": report["training"]["loss"],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--gigabytes", type=float, default=6)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--iterations", type=int, default=20_000)
    parser.add_argument("--folder", type=Path, help="for the set (default: a temporary one)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        data = Path(folder) / "set"
        data.mkdir()
        rows = make(data, options.gigabytes * 1e9)
        found: dict[str, list[dict[str, float]]] = {way: [] for way in WAYS}
        for _ in range(options.rounds):
            for way, option in WAYS.items():
                found[way].append(trained(data, option, options.iterations))
                print(way, found[way][-1], flush=True)
    times = [[run["microseconds"] for run in found[way]] for way in WAYS]
    result: dict[str, Any] = {
        "rows": rows,
        "bytes": rows * 784,
        "iterations": options.iterations,
        "network": " ".join(NETWORK),
        "speed_on_the_disk_of_that_in_memory": round(
            statistics.median(b / a for a, b in zip(*times, strict=True)), 3
        ),
        **{
            way: {
                "microseconds": [round(run["microseconds"], 1) for run in runs],
                "peak_megabytes": round(max(run["peak_megabytes"] for run in runs), 1),
            }
            for way, runs in found.items()
        },
        **machine(),
    }
    RESULT.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
