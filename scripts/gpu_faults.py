"""What `gpu_check` lets go wrong on a GPU: want of memory, a training moved elsewhere."""

from __future__ import annotations

import tempfile
import warnings
from typing import Any

import numpy as np

from mnn_gpu import Hook, TrainingConfig, TrainingInterrupted, load_mnist, select_backend, train
from mnn_gpu.backend import Backend

ROOM = 400 << 20
"""Bytes; the layers of 42,000 samples need more."""


class Cut(Hook):
    """Interrupts a training."""

    def __init__(self, iteration: int) -> None:
        self.iteration = iteration

    def on_step(self, iteration: int) -> None:
        if iteration >= self.iteration:
            raise KeyboardInterrupt


def want_of_memory(gpu: Backend) -> dict[str, Any]:
    """Train in too large shards for CuPy's pool, limited: halved, with the same result.

    Where a graph alone lacks the memory, that is said too.
    """
    import cupy

    (X, y), _ = load_mnist()
    X, y = X[:42_000], y[:42_000]
    config = TrainingConfig(hidden=(512, 512), iterations=5, shard_rows=42_000)
    expected, _ = train(X, y, config, backend=gpu)
    pool = cupy.get_default_memory_pool()
    pool.free_all_blocks()
    pool.set_limit(size=pool.used_bytes() + ROOM)
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            model, _ = train(X, y, config, backend=gpu)
    finally:
        pool.set_limit(size=0)
    apart = float(np.linalg.norm(model.theta - expected.theta) / np.linalg.norm(expected.theta))
    said = [str(warning.message) for warning in caught]
    return {
        "passed": apart < 1e-4 and 0 < len(said) <= 2,
        "relative_difference": apart,
        "said": said,
    }


def another_device(gpu: Backend) -> dict[str, Any]:
    """Begin a training on the CPU, go on on the GPU, end on the CPU: as if never moved."""
    (X, y), _ = load_mnist()
    config = TrainingConfig(hidden=(64,), batch_size=128, optimizer="adam", iterations=90)
    cpu = select_backend("cpu")
    expected, _ = train(X[:10_000], y[:10_000], config, backend=cpu)
    with tempfile.TemporaryDirectory() as folder:
        kept: dict[str, Any] = {"checkpoint": folder, "resume": True}
        for where, iteration in ((cpu, 30), (gpu, 60)):
            try:
                train(X[:10_000], y[:10_000], config, backend=where, hooks=[Cut(iteration)], **kept)
            except TrainingInterrupted:
                continue
        model, _ = train(X[:10_000], y[:10_000], config, backend=cpu, **kept)
    apart = float(np.linalg.norm(model.theta - expected.theta) / np.linalg.norm(expected.theta))
    return {"passed": apart < 1e-3, "relative_difference": apart}
