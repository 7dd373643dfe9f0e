"""Runs that are killed at random moments and resumed end with the bytes of an uninterrupted one."""

from __future__ import annotations

import os
import random
import subprocess
import time
from pathlib import Path

import pytest

from tests.support.program import PROGRAM
from tests.support.repeats import REPEATS

# Deformed images, dropout, an average of the parameters: everything random or accumulated.
TRAINING = (
    *("train", "--recipe", "accurate", "--hidden", "32", "16", "--dropout", "0.25"),
    *("--rows", "1000", "--epochs", "3", "--checkpoint-every", "1", "--device", "cpu", "-q"),
)


def start(folder: Path) -> subprocess.Popen[bytes]:
    """Begin a run, or resume it."""
    folder.mkdir(exist_ok=True)
    places = ["--checkpoint", f"{folder}/run", "--resume", "--out", f"{folder}/model"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.Popen([*PROGRAM, *TRAINING, *places], env=environment)


def finished(folder: Path) -> bytes:
    """Let a run end by itself; return the model's bytes."""
    assert start(folder).wait() == 0
    return (folder / "model").read_bytes()


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[bytes, float]:
    """The model of an uninterrupted run, and the seconds that the run takes."""
    started = time.perf_counter()
    model = finished(tmp_path_factory.mktemp("whole"))
    return model, time.perf_counter() - started


@pytest.mark.parametrize("seed", range(REPEATS))
def test_a_killed_run_resumes_to_the_same_bytes(
    seed: int, whole: tuple[bytes, float], tmp_path: Path
) -> None:
    expected, seconds = whole
    rng = random.Random(seed)
    for _ in range(rng.randint(1, 3)):
        process = start(tmp_path)
        # Anywhere between start and end, or in and between the writing of checkpoints.
        once_it_saves = rng.random() < 0.7
        before = set(tmp_path.glob("run/checkpoint-*"))
        while once_it_saves and process.poll() is None:
            if set(tmp_path.glob("run/checkpoint-*")) - before:
                break
            time.sleep(0.001)
        time.sleep(rng.uniform(0, 0.1 if once_it_saves else seconds))
        process.kill()
        process.wait()
    assert finished(tmp_path) == expected
