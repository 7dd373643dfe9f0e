"""Trains on 1, 2, 4 and 8 ranks, whole and killed on the way, and compares the models' bytes.

    .venv/bin/python -m scripts.checks.rank_bits
    MNN_MPIEXEC="mpirun --oversubscribe" PYTHON_OF_ANOTHER_MPI -m scripts.checks.rank_bits

Everything is held against one process without MPI. Adds what was seen to
scripts/results/rank-bits.json, by the name of the MPI library, and exits with 1 if any byte
differs. On Linux, since it looks for the processes to kill in /proc.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from scripts.benchmarks.harness import machine
from scripts.checks.mpiexec import launcher, library

RESULT = Path(__file__).parents[1] / "results" / "rank-bits.json"
STEPS = 500
COMMON = ("train", "--iterations", str(STEPS), "--device", "cpu", "-q", "--shards", "8")
TRAININGS = {
    "784-10-10-10, full batches of 41,000": (),
    "784-128-64-10, batches of 128, Adam": (
        *("--hidden", "128", "64", "--batch-size", "128"),
        *("--optimizer", "adam", "--lr", "0.003"),
    ),
}
RANKS = (1, 2, 4, 8)
CUTS = ((4, 110), (2, 160), (1, None))
"""So many ranks until a checkpoint of at least this iteration is there; then all are killed."""


def command(ranks: int, training: Sequence[str], folder: Path, *more: str) -> list[str]:
    start = [] if ranks == 0 else [*launcher(), "-n", str(ranks)]
    arguments = [*COMMON, *training, "--out", str(folder / "model"), *more]
    return [*start, sys.executable, "-m", "mnn_gpu", *arguments]


def whole(ranks: int, training: Sequence[str]) -> bytes:
    """Train in one go; return the model's bytes."""
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(
            command(ranks, training, Path(folder)),
            check=True,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
        )
        return (Path(folder) / "model").read_bytes()


def cut(training: Sequence[str]) -> bytes:
    """Train with kills in between, on another number of ranks each time."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        more = ["--checkpoint", str(folder / "kept"), "--checkpoint-every", "1", "--resume"]
        for ranks, until in CUTS:
            process = subprocess.Popen(
                command(ranks, training, folder, *more),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
            while until is not None and _latest(folder / "kept") < until:
                if process.poll() is not None:
                    raise SystemExit(f"A job on {ranks} ranks ended before it was killed.")
                time.sleep(0.01)
            if until is not None:
                _kill_all(name)
            process.wait()
        return (folder / "model").read_bytes()


def _latest(folder: Path) -> int:
    return max((int(path.stem[11:]) for path in folder.glob("checkpoint-*.safetensors")), default=0)


def _kill_all(name: str) -> None:
    """Kill every process with a name on its command line."""
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            if name.encode() in entry.read_bytes() and int(entry.parent.name) != os.getpid():
                os.kill(int(entry.parent.name), signal.SIGKILL)


def _of(ranks: int) -> str:
    return f"{ranks} rank{'s' * (ranks > 1)}"


def main() -> int:
    found: dict[str, Any] = {}
    differ = 0
    for name, training in TRAININGS.items():
        expected = whole(0, training)
        same = {_of(ranks): whole(ranks, training) == expected for ranks in RANKS}
        way = ", ".join(_of(ranks) for ranks, _ in CUTS)
        same[f"killed twice, on {way} in turn"] = cut(training) == expected
        digest = hashlib.sha256(expected).hexdigest()[:16]
        found[name] = {"steps": STEPS, "sha256": digest, "same_bytes": same}
        differ += len(same) - sum(same.values())
        print(name, json.dumps(found[name]), flush=True)
    result = json.loads(RESULT.read_text()) if RESULT.exists() else {}
    result[library()] = {**found, **machine()}
    RESULT.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    return 1 if differ else 0


if __name__ == "__main__":
    sys.exit(main())
