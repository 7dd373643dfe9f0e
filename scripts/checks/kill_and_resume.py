"""Kills runs at random moments, resumes them, and compares the models byte for byte.

    python -m scripts.checks.kill_and_resume [--runs 100] [--seed 0]

Every run is killed with SIGKILL one to four times, anywhere between its start and its end
(reading data, in a step, while a checkpoint or the model is written), and resumed until it ends.
Writes scripts/results/kill-and-resume.json, and exits with 1 if any model differs from that of an
uninterrupted run.
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from scripts.benchmarks.harness import environment, save
from scripts.checks.mpiexec import command

MOST_KILLS = 4
SAVING_SECONDS = 0.3
# Deformed images, dropout, an average of the parameters: everything random or accumulated.
TRAINING = (
    *("--recipe", "accurate", "--hidden", "128", "64", "--dropout", "0.25"),
    *("--rows", "3000", "--epochs", "6", "--checkpoint-every", "1", "--device", "cpu", "-q"),
)


def start(folder: Path) -> subprocess.Popen[bytes]:
    """Begin a run, or resume it."""
    places = ["--checkpoint", str(folder / "run"), "--resume", "--out", str(folder / "model")]
    return subprocess.Popen(
        command(0, "train", *TRAINING, *places),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        env=environment(threads=1),
    )


def finished(folder: Path) -> bytes:
    """Let a run end by itself; return the model's bytes."""
    process = start(folder)
    _, stderr = process.communicate()
    if process.returncode:
        raise SystemExit(f"A run failed:\n{stderr.decode()}")
    return (folder / "model").read_bytes()


def killed(folder: Path, seconds: float, *, once_it_saves: bool) -> str:
    """Kill a run after some seconds, counted from its first checkpoint if asked; say where."""
    process = start(folder)
    before = {path.name for path in folder.glob("run/checkpoint-*")}
    while once_it_saves and process.poll() is None:
        if {path.name for path in folder.glob("run/checkpoint-*")} - before:
            break
        time.sleep(0.001)
    try:
        process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
    else:
        return "had ended"
    if list(folder.glob("run/.checkpoint-*")):
        return "writing a checkpoint"
    if list(folder.glob(".model.*")):
        return "writing the model"
    return "training" if list(folder.glob("run/checkpoint-*")) else "starting"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    rng = random.Random(args.seed)
    moments: Counter[str] = Counter()
    same = 0
    with tempfile.TemporaryDirectory() as base:
        folders = [Path(base) / str(number) for number in range(args.runs + 1)]
        for folder in folders:
            folder.mkdir()
        started = time.perf_counter()
        expected = finished(folders.pop())
        whole = time.perf_counter() - started
        for number, folder in enumerate(folders, 1):
            for _ in range(rng.randint(1, MOST_KILLS)):
                saves = rng.random() < 0.7
                most = SAVING_SECONDS if saves else whole
                moments[killed(folder, rng.uniform(0, most), once_it_saves=saves)] += 1
            same += finished(folder) == expected
            print(f"{number}: {same} the same; killed {dict(moments)}", flush=True)
    result = {
        "runs": args.runs,
        "the same bytes": same,
        "killed while": dict(sorted(moments.items())),
        "an uninterrupted run takes, s": round(whole, 1),
        "date": time.strftime("%Y-%m-%d"),
    }
    save("kill-and-resume", result)
    print(json.dumps(result, indent=1))
    return int(same != args.runs)


if __name__ == "__main__":
    sys.exit(main())
