"""Trains on a set that stays on the disk and, in turn, on the same set in memory.

    python -m scripts.checks.larger_than_memory [--gigabytes 6] [--rounds 3] [--folder DIR]

The set is copies of MNIST, each with its own noise. Prints and writes
scripts/results/larger-than-memory.json: the peak of the resident memory of each process, with
all pages of mapped files, and the time of an iteration. Needs room for the set on the disk, and
in memory for the comparison.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from functools import partial
from pathlib import Path

import numpy as np

from mnn_gpu import load_mnist
from mnn_gpu.data.npy_folder.writer import FolderWriter
from scripts.benchmarks.harness import ROOT, environment, in_turn, machine, ratio, save

NETWORK = ("--hidden", "128", "64", "--batch-size", "128", "--optimizer", "adam", "--lr", "0.001")
WAYS = {"on the disk": "--stream", "in memory": "--no-stream"}
PROGRAM = """
import sys
from mnn_gpu.cli.main import main
from scripts.benchmarks.worker import peak_memory
main(sys.argv[1:])
print(peak_memory())
"""


def make(folder: Path, size: float) -> int:
    """Write a set of about ``size`` bytes; return its rows."""
    (X, y), _ = load_mnist()
    writer = FolderWriter(folder, "uint8", X.shape[1], labelled=True)
    for copy in range(max(1, round(size / X.nbytes))):
        noise = np.random.default_rng(copy).integers(0, 32, X.shape, dtype=np.uint8)
        writer.write(np.where(X > 223, X, X + noise), y)
    return writer.finish((28, 28)).rows


def trained(data: Path, way: str, iterations: int) -> dict[str, float]:
    """Train in a new process."""
    arguments = ["train", "--data", data, way, *NETWORK, "--iterations", iterations]
    arguments += ["--report-every", iterations, "-q", "--json", "--device", "cpu"]
    with tempfile.TemporaryDirectory() as folder:
        result = subprocess.run(
            [sys.executable, "-c", PROGRAM, *map(str, arguments), "--out", f"{folder}/model"],
            stdout=subprocess.PIPE,
            text=True,
            check=True,
            cwd=ROOT,
            env=environment(),
        )
    text, _, peak = result.stdout.strip().rpartition("\n")
    report = json.loads(text)
    found = {
        "microseconds": report["seconds"] / report["iterations"] * 1e6,
        "peak_megabytes": int(peak) / 1e6,
    }
    print(way, found, flush=True)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--gigabytes", type=float, default=6)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--iterations", type=int, default=20_000)
    parser.add_argument("--folder", type=Path, help="for the set (default: a temporary one)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        data = Path(folder).resolve()
        rows = make(data, options.gigabytes * 1e9)
        n = options.iterations
        ways = {way: partial(trained, data, option, n) for way, option in WAYS.items()}
        found = in_turn(options.rounds, ways)
    disk, memory = ([run["microseconds"] for run in runs] for runs in found.values())
    result = {
        "rows": rows,
        "bytes": rows * 784,
        "iterations": options.iterations,
        "network": " ".join(NETWORK),
        "speed_on_the_disk_of_that_in_memory": round(ratio(memory, disk), 3),
        **{
            way: {
                "microseconds": [round(run["microseconds"], 1) for run in runs],
                "peak_megabytes": round(max(run["peak_megabytes"] for run in runs), 1),
            }
            for way, runs in found.items()
        },
        **machine(),
    }
    save("larger-than-memory", result)
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
