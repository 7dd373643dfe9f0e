"""Trains on 1, 2, 4 and 8 ranks, whole and killed on the way, and compares the models' bytes.

    python -m scripts.checks.rank_bits
    MNN_MPIEXEC="mpirun --oversubscribe" PYTHON_OF_ANOTHER_MPI -m scripts.checks.rank_bits

Everything is compared with one process without MPI. Adds the outcome to
scripts/results/rank-bits.json, by the name of the MPI library, and exits with 1 if any byte
differs. On Linux, because it finds the processes to kill in /proc.
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

from scripts.benchmarks.harness import RESULTS, machine, save
from scripts.checks.mpiexec import command, library

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
"""Ranks, and the iteration of the checkpoint after which all of them are killed."""


def trained(training: Sequence[str], parts: Sequence[tuple[int, int | None]]) -> bytes:
    """Train in parts, each on some ranks until it is killed; return the model's bytes."""
    with tempfile.TemporaryDirectory() as name:
        kept = Path(name) / "kept"
        more = ["--checkpoint", str(kept), "--checkpoint-every", "1", "--resume"]
        for ranks, until in parts:
            options = [*COMMON, *training, "--out", f"{name}/model", *more * (len(parts) > 1)]
            process = subprocess.Popen(
                command(ranks, *options), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL
            )
            while until is not None and _latest(kept) < until:
                if process.poll() is not None:
                    raise SystemExit(f"A job on {ranks} ranks ended before it was killed.")
                time.sleep(0.01)
            if until is not None:
                _kill_all(name)
            if process.wait() and until is None:
                raise SystemExit(f"A job on {ranks} ranks failed.")
        return (Path(name) / "model").read_bytes()


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
    found = {}
    differ = 0
    way = f"killed twice, on {', '.join(_of(ranks) for ranks, _ in CUTS)} in turn"
    for name, training in TRAININGS.items():
        expected = trained(training, [(0, None)])
        same = {_of(ranks): trained(training, [(ranks, None)]) == expected for ranks in RANKS}
        same[way] = trained(training, CUTS) == expected
        digest = hashlib.sha256(expected).hexdigest()[:16]
        found[name] = {"steps": STEPS, "sha256": digest, "same_bytes": same}
        differ += len(same) - sum(same.values())
        print(name, json.dumps(found[name]), flush=True)
    results = json.loads((RESULTS / "rank-bits.json").read_text(encoding="utf-8"))
    save("rank-bits", results | {library(): {**found, **machine()}})
    return int(differ > 0)


if __name__ == "__main__":
    sys.exit(main())
