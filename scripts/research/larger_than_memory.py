"""Trains on a set that stays on the disk and, in turn, on the same set in memory.

    python -m scripts.research.larger_than_memory [--gigabytes 6] [--rounds 3] [--iterations 20000]

The set is copies of MNIST, each with its own noise. Prints and writes
scripts/results/larger-than-memory.json: the peak of the resident memory of each process, with
all pages of mapped files, and the time of an iteration. Needs room for the set in the temporary
folder (TMPDIR), and in memory for the comparison.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from mnn_gpu import load_mnist
from mnn_gpu.data.npy_folder.writer import FolderWriter
from scripts.benchmarks.harness import ROOT, environment, in_turn, machine, ratio, save

NETWORK = ("--hidden", "128", "64", "--batch-size", "128", "--optimizer", "adam", "--lr", "0.001")
COMMON = ("--report-every", "1000000000", "-q", "--json", "--device", "cpu", *NETWORK)
WAYS = {"on the disk": "--stream", "in memory": "--no-stream"}
PROGRAM = """
import sys
from mnn_gpu.cli.main import main
from scripts.benchmarks.worker import peak_memory
main(sys.argv[1:])
print(peak_memory())
"""


def make(folder: str, size: float) -> int:
    """Write a set of about ``size`` bytes; return its rows."""
    (X, y), _ = load_mnist()
    writer = FolderWriter(Path(folder), "uint8", X.shape[1], labelled=True)
    for copy in range(max(1, round(size / X.nbytes))):
        noise = np.random.default_rng(copy).integers(0, 32, X.shape, dtype=np.uint8)
        writer.write(np.where(X > 223, X, X + noise), y)
    return writer.finish((28, 28)).rows


def trained(*options: str) -> tuple[float, float]:
    """Train in a new process; return microseconds of an iteration and peak megabytes."""
    with tempfile.TemporaryDirectory() as folder:
        result = subprocess.run(
            [sys.executable, "-c", PROGRAM, "train", *options, "--out", f"{folder}/model"],
            stdout=subprocess.PIPE,
            text=True,
            check=True,
            cwd=ROOT,
            env=environment(),
        )
    text, _, peak = result.stdout.strip().rpartition("\n")
    report = json.loads(text)
    return report["seconds"] / report["iterations"] * 1e6, int(peak) / 1e6


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--gigabytes", type=float, default=6)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--iterations", type=int, default=20_000)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as data:
        rows = make(data, args.gigabytes * 1e9)
        options = ("--data", data, "--iterations", str(args.iterations), *COMMON)
        ways = {way: partial(trained, option, *options) for way, option in WAYS.items()}
        found = {
            way: list(zip(*runs, strict=True)) for way, runs in in_turn(args.rounds, ways).items()
        }
    (disk, _), (memory, _) = found.values()
    result: dict[str, Any] = {
        "rows": rows,
        "bytes": rows * 784,
        "iterations": args.iterations,
        "network": " ".join(NETWORK),
        "speed_on_the_disk_of_that_in_memory": round(ratio(memory, disk), 3),
    }
    for way, (microseconds, megabytes) in found.items():
        times = [round(time, 1) for time in microseconds]
        result[way] = {"microseconds": times, "peak_megabytes": round(max(megabytes), 1)}
    save("larger-than-memory", result | machine())
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
