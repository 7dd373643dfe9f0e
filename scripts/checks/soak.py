"""Trains, is cut, resumes, saves, loads and predicts in a loop, and watches the memory.

    .venv/bin/python -m scripts.checks.soak [--minutes 30]

The resident memory after each round is compared with that after the first tenth of the time.
Prints a line a minute, writes scripts/results/soak.json, and exits with 1 if it grew by more
than 2 %. Needs Linux and the extra sklearn.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import sys
import tempfile
import time
import warnings
from pathlib import Path

import numpy as np

import mnn_gpu

RESULT = Path(__file__).parents[1] / "results" / "soak.json"
MOST_GROWTH = 0.02
PAGE = os.sysconf("SC_PAGE_SIZE")


class Cut(mnn_gpu.Hook):
    """Interrupts a training in the midst of an epoch."""

    def __init__(self, iteration: int) -> None:
        self.iteration = iteration

    def on_step(self, iteration: int) -> None:
        if iteration >= self.iteration:
            raise KeyboardInterrupt


def one_round(folder: Path, number: int) -> None:
    """Do everything once."""
    (X, y), (X_test, y_test) = mnn_gpu.load_mnist()
    X, y = X[:8000], y[:8000]
    config = mnn_gpu.TrainingConfig(
        hidden=(128, 64),
        batch_size=128,
        optimizer="adamw",
        learning_rate=2e-3,
        epochs=3,
        ema_decay=0.99,
        dropout=0.1,
        augmentation=mnn_gpu.Augmentation(),
        seed=number,
    )
    run = folder / str(number)
    kept = {"checkpoint": run, "resume": True, "validation": (X_test[:2000], y_test[:2000])}
    for iteration in (30, 100):
        try:
            mnn_gpu.train(X, y, config, hooks=[Cut(iteration)], **kept)  # type: ignore[arg-type]
        except mnn_gpu.TrainingInterrupted:
            continue
    model, _ = mnn_gpu.train(X, y, config, **kept)  # type: ignore[arg-type]
    mnn_gpu.save_model(folder / "model", model)
    predictor = mnn_gpu.Predictor(mnn_gpu.load_model(folder / "model"))
    for rows in (1, 1, 100, 100, 5000):
        predictor.predict_proba(X_test[:rows])
    classifier = mnn_gpu.MLPClassifier((64,), max_iter=2, device="cpu")
    classifier.fit(X[:2000] / 255, y[:2000]).predict(X_test[:2000] / 255)
    for path in run.iterdir():
        path.unlink()
    run.rmdir()


def resident() -> int:
    """Return the bytes of memory that this process holds."""
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * PAGE


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=30)
    seconds = parser.parse_args().minutes * 60
    warnings.simplefilter("ignore")  # Few epochs do not converge.
    started = said = time.monotonic()
    sizes: list[tuple[float, int]] = []
    with tempfile.TemporaryDirectory() as folder:
        while time.monotonic() - started < seconds:
            one_round(Path(folder), len(sizes))
            sizes.append((time.monotonic() - started, resident()))
            if time.monotonic() - said >= 60:
                said = time.monotonic()
                print(f"{len(sizes)} rounds, {sizes[-1][1] / 1e6:.1f} MB", flush=True)
    warm = [size for at, size in sizes if at >= seconds / 10]
    first = float(np.median(warm[: max(len(warm) // 10, 1)]))
    last = float(np.median(warm[-max(len(warm) // 10, 1) :]))
    result = {
        "minutes": round(seconds / 60, 1),
        "rounds": len(sizes),
        "resident after warm-up, MB": round(first / 1e6, 1),
        "resident at the end, MB": round(last / 1e6, 1),
        "least and most, MB": [round(size / 1e6, 1) for size in (min(warm), max(warm))],
        "growth": round(last / first - 1, 4),
        "date": time.strftime("%Y-%m-%d"),
    }
    RESULT.write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps(result, indent=1))
    return 0 if abs(last / first - 1) <= MOST_GROWTH else 1


if __name__ == "__main__":
    sys.exit(main())
