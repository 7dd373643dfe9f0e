"""Reads thousands of broken files of every kind: each is refused, or read as what it holds.

    python -m scripts.checks.fuzz_readers [--files 20000] [--seed 0]

The files are read in another process, which may crash; 5 s of CPU time and 1 GB of memory are too
much for one. Prints a table, writes scripts/results/fuzz.json, keeps the files of failures in the
folder --keep, and exits with 1 if there are any. Needs the extras parquet and images.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
import warnings
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from importlib.metadata import version
from multiprocessing import get_context
from pathlib import Path
from random import Random

import pandas as pd

from scripts.benchmarks.harness import save
from tests.support.fuzzing.mutations import mutated
from tests.support.fuzzing.seeds import NAMES, seeds
from tests.support.fuzzing.worker import judged

MOST_SECONDS, MOST_MB, PATIENCE = 5, 1000, 60
FAILURES = ("wrong", "slow", "too large", "tracebacks", "crashes")
OUTCOMES = ("refused", "accepted", *FAILURES)
LIBRARIES = ("numpy", "pandas", "pyarrow", "safetensors", "pillow")


class Reader:
    """A process that reads files; a new one takes the place of one that crashed, hung or grew."""

    def __init__(self) -> None:
        self.start()

    def start(self) -> None:
        context = get_context("spawn")
        self._pool = ProcessPoolExecutor(1, context, warnings.simplefilter, ("error",))

    def read(self, kind: str, path: Path) -> tuple[str, str, float, float]:
        """Return outcome, detail, CPU seconds and peak MB."""
        try:
            outcome, detail, seconds, peak = self._pool.submit(judged, kind, path).result(PATIENCE)
        except TimeoutError:
            outcome, detail, seconds, peak = "slow", f"no answer in {PATIENCE} s", PATIENCE, 0
        except BrokenProcessPool:
            outcome, detail, seconds, peak = "crashes", "the process ended", 0, 0
        if seconds > MOST_SECONDS:
            outcome = "slow"
        elif peak > MOST_MB:
            outcome = "too large"
        if outcome in ("slow", "too large", "crashes"):
            self.stop()
            self.start()
        return outcome, detail, seconds, peak

    def stop(self) -> None:
        for process in (self._pool._processes or {}).values():
            process.kill()
        self._pool.shutdown()


def broken_files(files: int, seed: int, folder: Path) -> Iterator[tuple[str, Path]]:
    """Write one broken file after another, of each kind in turn; the same ones for a seed."""
    sources, kinds = seeds(), list(NAMES)
    for i in range(files):
        random = Random(f"{seed}-{i}")
        kind = kinds[i % len(kinds)]
        content, other = random.choice(sources[kind]), random.choice(sources[kind])
        if random.random() < 0.1:
            other = random.choice(sources[random.choice(kinds)])
        path = folder / f"{seed}-{i}-{NAMES[kind]}"
        path.write_bytes(mutated(random, kind, content, other))
        yield kind, path
        path.unlink()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep", type=Path, default=Path(tempfile.gettempdir()) / "mnn-gpu-fuzz")
    args = parser.parse_args()
    rows = []
    reader = Reader()
    with tempfile.TemporaryDirectory() as folder:
        for kind, path in broken_files(args.files, args.seed, Path(folder)):
            outcome, detail, seconds, peak = reader.read(kind, path)
            rows.append((kind, outcome, seconds, peak))
            if outcome in FAILURES:
                args.keep.mkdir(parents=True, exist_ok=True)
                shutil.copy(path, args.keep)
                print(f"{path.name}: {outcome}: {detail}", file=sys.stderr, flush=True)
    reader.stop()
    frame = pd.DataFrame(rows, columns=["kind", "outcome", "seconds", "peak"])
    counts = pd.crosstab(frame["kind"], frame["outcome"])
    counts = counts.reindex(index=list(NAMES), columns=list(OUTCOMES), fill_value=0)
    print(counts.to_string())
    failures = int(counts[list(FAILURES)].to_numpy().sum())
    if failures:
        print(f"{failures} files failed; they are in {args.keep}")
    record = {
        "files": args.files,
        "seed": args.seed,
        "versions": {name: version(name) for name in LIBRARIES},
        "kinds": counts.to_dict("index"),
        "seconds": frame.groupby("kind")["seconds"].max().round(3).to_dict(),
        "peak_mb": round(frame["peak"].max()),
    }
    save("fuzz", record)
    return int(failures > 0)


if __name__ == "__main__":
    sys.exit(main())
