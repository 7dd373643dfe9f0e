"""Reads thousands of broken files of every kind: each is refused, or read as what it holds.

    .venv/bin/python -m scripts.checks.fuzz_readers [--files 20000] [--seed 0]

Every file is read in a process of its own kind that may crash, in 5 s of CPU time and 1 GB of
memory. Prints a table, writes scripts/results/fuzz.json, keeps the files that made trouble in
the folder --keep, and exits with 1 if there are any. Needs the extras parquet and images.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from random import Random
from typing import Any

from tests.support.fuzzing.mutations import mutated
from tests.support.fuzzing.seeds import NAMES, seeds
from tests.support.fuzzing.worker import serve

RESULT = Path(__file__).parents[1] / "results" / "fuzz.json"
MOST_SECONDS, MOST_MB, PATIENCE = 5, 1000, 60
FAILURES = ("wrong", "slow", "too large", "tracebacks", "crashes")
COLUMNS = ("refused", "accepted", *FAILURES)
LIBRARIES = ("numpy", "pandas", "pyarrow", "safetensors", "pillow")


class Reader:
    """A worker process, started again where it crashed, hung or grew."""

    def __init__(self) -> None:
        context = multiprocessing.get_context("spawn")
        self._connection, theirs = context.Pipe()
        self._process = context.Process(target=serve, args=(theirs,), daemon=True)
        self._process.start()
        theirs.close()

    def read(self, kind: str, path: Path) -> tuple[str, str, float, float]:
        """Return outcome, detail, CPU seconds and peak MB; the worker is of no use after some."""
        self._connection.send((kind, path))
        if not self._connection.poll(PATIENCE):
            return "slow", f"no answer in {PATIENCE} s", PATIENCE, 0
        try:
            outcome, detail, seconds, peak = self._connection.recv()
        except (EOFError, OSError):
            self._process.join()
            return "crashes", f"exit code {self._process.exitcode}", 0, 0
        if seconds > MOST_SECONDS:
            return "slow", f"{seconds:.1f} s", seconds, peak
        if peak > MOST_MB:
            return "too large", f"{peak:.0f} MB", seconds, peak
        return outcome, detail, seconds, peak

    def stop(self) -> None:
        self._process.kill()
        self._process.join()


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


def fuzz(files: int, seed: int, keep: Path) -> dict[str, Any]:
    """Make and read so many files; return counts by kind, and the most time and memory."""
    counts: dict[str, dict[str, int]] = {kind: dict.fromkeys(COLUMNS, 0) for kind in NAMES}
    slowest, largest = dict.fromkeys(NAMES, 0.0), 0.0
    reader = Reader()
    with tempfile.TemporaryDirectory() as folder:
        for kind, path in broken_files(files, seed, Path(folder)):
            outcome, detail, seconds, peak = reader.read(kind, path)
            counts[kind][outcome] += 1
            slowest[kind], largest = max(slowest[kind], round(seconds, 3)), max(largest, peak)
            if outcome in FAILURES:
                keep.mkdir(parents=True, exist_ok=True)
                shutil.copy(path, keep)
                print(f"{path.name}: {outcome}: {detail}", file=sys.stderr, flush=True)
            if outcome in ("slow", "too large", "crashes"):
                reader.stop()
                reader = Reader()
    reader.stop()
    return {"kinds": counts, "seconds": slowest, "peak_mb": round(largest)}


def table(result: dict[str, Any]) -> str:
    """Return the counts as text, a line a kind."""
    lines = [f"{'kind':20}{'files':>7}" + "".join(f"{name:>11}" for name in COLUMNS)]
    totals: Counter[str] = Counter()
    for kind, row in result["kinds"].items():
        lines.append(_line(kind, row))
        totals.update(row)
    return "\n".join([*lines, _line("all", totals)])


def _line(kind: str, row: dict[str, int]) -> str:
    cells = "".join(f"{row[name]:>11,}" for name in COLUMNS)
    return f"{kind:20}{sum(row.values()):>7,}{cells}"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep", type=Path, default=Path(tempfile.gettempdir()) / "mnn-gpu-fuzz")
    args = parser.parse_args()
    result = fuzz(args.files, args.seed, args.keep)
    print(table(result))
    print(f"slowest {max(result['seconds'].values()):.2f} s of CPU, largest {result['peak_mb']} MB")
    failures = sum(row[name] for row in result["kinds"].values() for name in FAILURES)
    if failures:
        print(f"{failures} files made trouble; they are in {args.keep}")
    versions = {name: version(name) for name in LIBRARIES}
    record = {"files": args.files, "seed": args.seed, "versions": versions, **result}
    RESULT.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
    return int(failures > 0)


if __name__ == "__main__":
    sys.exit(main())
