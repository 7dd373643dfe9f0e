"""Trains, is cut, resumes, saves, loads and predicts in a loop, and observes the memory.

    python -m scripts.checks.soak [--minutes 30]

The resident memory after each round is compared with that after the first tenth of the time.
Writes scripts/results/soak.json, and exits with 1 if it grew by more than 2%. Needs Linux and
the extra sklearn.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import shutil
import statistics
import sys
import tempfile
import time
import warnings
from contextlib import suppress
from pathlib import Path
from typing import Any

import mnn_gpu
from scripts.benchmarks.harness import save

MOST_GROWTH = 0.02
CONFIG: dict[str, Any] = {
    "hidden": (128, 64),
    "batch_size": 128,
    "optimizer": "adamw",
    "learning_rate": 2e-3,
    "epochs": 3,
    "ema_decay": 0.99,
    "dropout": 0.1,
    "augmentation": mnn_gpu.Augmentation(),
}


class Cut(mnn_gpu.Hook):
    """Interrupts a run in the middle of an epoch."""

    def __init__(self, iteration: int) -> None:
        self.iteration = iteration

    def on_step(self, iteration: int) -> None:
        if iteration >= self.iteration:
            raise KeyboardInterrupt


def one_round(folder: Path, number: int) -> None:
    """Do everything once."""
    (X, y), (X_test, y_test) = mnn_gpu.load_mnist()
    X, y = X[:8000], y[:8000]
    config = mnn_gpu.TrainingConfig(**CONFIG, seed=number)
    run = folder / str(number)
    kept: Any = {"checkpoint": run, "resume": True, "validation": (X_test[:2000], y_test[:2000])}
    for iteration in (30, 100):
        with suppress(mnn_gpu.TrainingInterrupted):
            mnn_gpu.train(X, y, config, hooks=[Cut(iteration)], **kept)
    model, _ = mnn_gpu.train(X, y, config, **kept)
    mnn_gpu.save_model(folder / "model", model)
    predictor = mnn_gpu.Predictor(mnn_gpu.load_model(folder / "model"))
    for rows in (1, 1, 100, 100, 5000):
        predictor.predict_proba(X_test[:rows])
    classifier = mnn_gpu.MLPClassifier((64,), max_iter=2, device="cpu")
    classifier.fit(X[:2000] / 255, y[:2000]).predict(X_test[:2000] / 255)
    shutil.rmtree(run)


def resident() -> float:
    """Return the megabytes of memory that this process holds."""
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=30)
    seconds = parser.parse_args().minutes * 60
    warnings.simplefilter("ignore")  # Few epochs do not converge.
    started = time.monotonic()
    rounds = 0
    warm: list[float] = []
    with tempfile.TemporaryDirectory() as folder:
        while (now := time.monotonic() - started) < seconds or len(warm) < 2:
            one_round(Path(folder), rounds)
            rounds += 1
            if now >= seconds / 10:
                warm.append(resident())
    tenth = max(len(warm) // 10, 1)
    first, last = statistics.median(warm[:tenth]), statistics.median(warm[-tenth:])
    result = {
        "minutes": round(seconds / 60, 1),
        "rounds": rounds,
        "resident after warm-up, MB": round(first, 1),
        "resident at the end, MB": round(last, 1),
        "least and most, MB": [round(min(warm), 1), round(max(warm), 1)],
        "growth": round(last / first - 1, 4),
        "date": time.strftime("%Y-%m-%d"),
    }
    save("soak", result)
    print(json.dumps(result, indent=1))
    return int(abs(last / first - 1) > MOST_GROWTH)


if __name__ == "__main__":
    sys.exit(main())
