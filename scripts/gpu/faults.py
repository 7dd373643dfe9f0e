"""What goes wrong on a GPU: too little memory, other threads, runs moved to another device."""

from __future__ import annotations

import contextlib
import tempfile
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np

from mnn_gpu import (
    Hook,
    Model,
    Predictor,
    TrainingConfig,
    TrainingInterrupted,
    load_mnist,
    network,
    select_backend,
    train,
)
from mnn_gpu.backend import Backend
from mnn_gpu.randomness import PARAMETERS, generator
from scripts.gpu.outcome import Findings, NotRunError
from scripts.gpu.processes import timed

ROOM = 400 << 20
"""Bytes; the layers of 42,000 samples need more."""
SIZES = (1, 2, 7, 32, 100, 128, 1000, 10_000)
PAUSE = 0.02
"""Seconds between two calls that synchronise the device; a capture takes about as long."""
MOST_TAKEN = 600 << 20
"""Bytes that a predictor may keep, cuBLAS's workspaces included."""
SMALL = TrainingConfig(
    hidden=(128, 64), batch_size=128, optimizer="adam", learning_rate=1e-3, iterations=640
)


class Cut(Hook):
    """Interrupts a run."""

    def __init__(self, iteration: int) -> None:
        self.iteration = iteration

    def on_step(self, iteration: int) -> None:
        if iteration >= self.iteration:
            raise KeyboardInterrupt


def with_cupy(device: str) -> Any:
    """Return a backend of CuPy's, or say that the check cannot be done."""
    if device == "cpu":
        raise NotRunError("this check needs CuPy")
    return select_backend(device)


def apart(theta: Any, expected: Any) -> float:
    """Return the relative difference of two vectors of parameters."""
    return float(np.linalg.norm(theta - expected) / np.linalg.norm(expected))


@contextmanager
def warned() -> Iterator[list[str]]:
    """Collect the texts of warnings."""
    said: list[str] = []
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield said
    said += [str(warning.message) for warning in caught]


def out_of_memory(device: str) -> Findings:
    """Train in too large shards for CuPy's pool, limited: halved, with the same result."""
    gpu = with_cupy(device)
    import cupy

    (X, y), _ = load_mnist()
    X, y = X[:42_000], y[:42_000]
    config = TrainingConfig(hidden=(512, 512), iterations=5, shard_rows=42_000)
    expected, _ = train(X, y, config, backend=gpu)
    pool = cupy.get_default_memory_pool()
    pool.free_all_blocks()
    pool.set_limit(size=pool.used_bytes() + ROOM)
    try:
        with warned() as said:
            model, _ = train(X, y, config, backend=gpu)
    finally:
        pool.set_limit(size=0)
    difference = apart(model.theta, expected.theta)
    halved = any("samples at a time" in text for text in said)
    yield {"relative_difference": difference, "said": said, "passed": halved and difference < 1e-4}


def memory_given_back(device: str) -> Findings:
    """Train again and again: a finished run gives its memory back."""
    gpu = with_cupy(device)
    (X, y), _ = load_mnist()
    free = []
    for config in [TrainingConfig(iterations=3)] * 3 + [replace(SMALL, iterations=192)] * 3:
        train(X[:42_000], y[:42_000], config, backend=gpu)
        free.append(_free(gpu))
    # The first run of each kind loads kernels, which stay.
    given_back = free[2] >= free[1] and free[5] >= free[4]
    yield {"free_bytes": free, "passed": given_back}


def predictor_sizes(device: str) -> Findings:
    """Predict batches of eight sizes with one predictor: right, and little memory kept."""
    sizes = (784, 128, 64, 10)
    layers = network.init_parameters(sizes, generator(PARAMETERS, 0))
    model = Model(network.flatten(layers).astype(np.float32), sizes, np.arange(10), {})
    _, (X, _) = load_mnist()
    expected = Predictor(model, select_backend("cpu")).predict_proba(X)
    gpu = select_backend(device)
    before = _free(gpu)
    predictor = Predictor(model, gpu)
    worst = 0.0
    with warned() as said:
        for rows in SIZES * 3:
            found = predictor.predict_proba(X[:rows])
            worst = max(worst, float(abs(found - expected[:rows]).max()))
    taken = before - _free(gpu)
    yield {
        "largest_difference": worst,
        "bytes_taken": taken,
        "said": said,
        "passed": worst < 1e-5 and taken < MOST_TAKEN and not said,
    }


def threads_synchronise(device: str) -> Findings:
    """Train while another thread synchronises the device all the time: captured all the same."""
    gpu = with_cupy(device)
    (X, y), _ = load_mnist()
    train(X, y, replace(SMALL, iterations=192), backend=gpu)
    (expected, _), alone = timed(lambda: train(X, y, SMALL, backend=gpu))
    over = threading.Event()

    def disturb() -> None:
        while not over.wait(PAUSE):
            # Refused, and the capture ended, where a graph is being captured.
            with contextlib.suppress(gpu.cupy.cuda.runtime.CUDARuntimeError):
                gpu.cupy.cuda.Device(gpu.index).synchronize()

    thread = threading.Thread(target=disturb)
    thread.start()
    try:
        with warned() as said:
            (model, _), disturbed = timed(lambda: train(X, y, SMALL, backend=gpu))
    finally:
        over.set()
        thread.join()
    yield {
        "relative_difference": apart(model.theta, expected.theta),
        "seconds_alone": alone,
        "seconds_disturbed": disturbed,
        "said": said,
        "passed": not said and apart(model.theta, expected.theta) < 1e-6,
    }


def another_device(device: str) -> Findings:
    """Begin a run on the CPU, resume it on the GPU, end it on the CPU: as if never moved."""
    (X, y), _ = load_mnist()
    config = TrainingConfig(hidden=(64,), batch_size=128, optimizer="adam", iterations=90)
    cpu, gpu = select_backend("cpu"), select_backend(device)
    expected, _ = train(X[:10_000], y[:10_000], config, backend=cpu)
    with tempfile.TemporaryDirectory() as folder:
        kept: dict[str, Any] = {"checkpoint": folder, "resume": True}
        for where, iteration in ((cpu, 30), (gpu, 60)):
            try:
                train(X[:10_000], y[:10_000], config, backend=where, hooks=[Cut(iteration)], **kept)
            except TrainingInterrupted:
                continue
        model, _ = train(X[:10_000], y[:10_000], config, backend=cpu, **kept)
    difference = apart(model.theta, expected.theta)
    yield {"relative_difference": difference, "passed": difference < 1e-3}


def _free(gpu: Backend) -> int:
    return gpu.memory().free or 0
