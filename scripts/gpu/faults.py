"""What goes wrong on a GPU: too little memory, runs moved to another device."""

from __future__ import annotations

import tempfile
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
    select_backend,
    train,
)
from mnn_gpu.backends import Backend
from mnn_gpu.nn.parameters import flatten, init_parameters
from mnn_gpu.utils.random_streams import PARAMETERS, generator
from scripts.benchmarks.device import amount
from scripts.gpu.outcome import Findings, NotRunError

ROWS = amount(42_000, 300)
ROOM = amount(400 << 20, 5 << 20)
TOO_MANY = amount(42_000, 2000)
"""Samples whose layers need more than these bytes."""
PIXELS = amount(slice(None), slice(300, 330))
SIZES = amount((1, 2, 7, 32, 100, 128, 1000, 10_000), (1, 2, 7, 32))
MOST_TAKEN = 600 << 20
"""Bytes that a predictor may keep, cuBLAS's workspaces included."""
SMALL = TrainingConfig(
    hidden=amount((128, 64), (32, 16)),
    batch_size=amount(128, 16),
    optimizer="adam",
    learning_rate=1e-3,
    iterations=amount(640, 100),
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


def first_model() -> Model:
    """Return a model of MNIST with its first, random parameters."""
    sizes = (784, 128, 64, 10)
    layers = init_parameters(sizes, generator(PARAMETERS, 0))
    return Model(flatten(layers).astype(np.float32), sizes, np.arange(10), {})


def out_of_memory(device: str) -> Findings:
    """Train in too large shards for CuPy's pool, limited: halved, with the same result."""
    gpu = with_cupy(device)
    import cupy

    (X, y), _ = load_mnist()
    X, y = X[:TOO_MANY, PIXELS], y[:TOO_MANY]
    config = TrainingConfig(
        hidden=amount((512, 512), (512,)), iterations=amount(5, 2), shard_rows=TOO_MANY
    )
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
        train(X[:ROWS], y[:ROWS], config, backend=gpu)
        free.append(_free(gpu))
    # The first run of each kind loads kernels, which stay.
    given_back = free[2] >= free[1] and free[5] >= free[4]
    yield {"free_bytes": free, "passed": given_back}


def predictor_sizes(device: str) -> Findings:
    """Predict batches of eight sizes with one predictor: right, and little memory kept."""
    model = first_model()
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


def another_device(device: str) -> Findings:
    """Begin a run on the CPU, resume it on the GPU, end it on the CPU: as if never moved."""
    (X, y), _ = load_mnist()
    rows = amount(10_000, 600)
    config = TrainingConfig(hidden=(64,), batch_size=128, optimizer="adam", iterations=90)
    cpu, gpu = select_backend("cpu"), select_backend(device)
    expected, _ = train(X[:rows], y[:rows], config, backend=cpu)
    with tempfile.TemporaryDirectory() as folder:
        kept: dict[str, Any] = {"checkpoint": folder, "resume": True}
        for where, iteration in ((cpu, 30), (gpu, 60)):
            try:
                train(X[:rows], y[:rows], config, backend=where, hooks=[Cut(iteration)], **kept)
            except TrainingInterrupted:
                continue
        model, _ = train(X[:rows], y[:rows], config, backend=cpu, **kept)
    difference = apart(model.theta, expected.theta)
    yield {"relative_difference": difference, "passed": difference < 1e-3}


def _free(gpu: Backend) -> int:
    return gpu.memory().free or 0
