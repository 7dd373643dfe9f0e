"""What other threads must not disturb on a GPU: captures, and each other's predictions."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from unittest import mock

import numpy as np

from mnn_gpu import Predictor, load_mnist, select_backend, train
from mnn_gpu.compiler.cuda_graphs.cuda_graphs import CudaGraphs
from scripts.benchmarks.device import amount
from scripts.gpu.faults import ROWS, SIZES, SMALL, apart, first_model, warned, with_cupy
from scripts.gpu.outcome import Findings
from scripts.gpu.processes import timed

PAUSE = 0.02
"""Seconds between two calls that synchronise the device; a capture takes about as long."""
ENDED = 2
"""How many captures are ended from outside."""
THREADS, CALLS = 8, amount(40, 4)


def digits() -> tuple[Any, Any]:
    """Return the images and labels to train on."""
    (X, y), _ = load_mnist()
    return X[: amount(60_000, ROWS)], y[: amount(60_000, ROWS)]


def synchronise(gpu: Any) -> None:
    """Synchronise the device, which is refused while a graph is captured, and ends the capture."""
    with contextlib.suppress(gpu.cupy.cuda.runtime.CUDARuntimeError):
        gpu.cupy.cuda.Device(gpu.index).synchronize()


def capture_again(device: str) -> Findings:
    """End the first captures from another thread: tried again, and captured in the end."""
    gpu = with_cupy(device)
    X, y = digits()
    expected, _ = train(X, y, SMALL, backend=gpu)
    ended: list[bool] = []
    deal_out = CudaGraphs._launch_all

    def disturbed(self: CudaGraphs, *given: Sequence[Any]) -> None:
        deal_out(self, *given)
        ended.append(len(ended) < ENDED)
        if ended[-1]:
            other = threading.Thread(target=synchronise, args=(gpu,))
            other.start()
            other.join()

    with warned() as said, mock.patch.object(CudaGraphs, "_launch_all", disturbed):
        model, _ = train(X, y, SMALL, backend=gpu)
    difference = apart(model.theta, expected.theta)
    yield {
        "captures": ended,
        "relative_difference": difference,
        "said": said,
        "passed": bool(ended[ENDED:]) and not any(ended[ENDED:]) and difference < 1e-6 and not said,
    }


def synchronised_all_the_time(device: str) -> Findings:
    """Train while another thread synchronises the device all the time: captured all the same."""
    gpu = with_cupy(device)
    X, y = digits()
    train(X, y, SMALL, backend=gpu)
    (expected, _), alone = timed(lambda: train(X, y, SMALL, backend=gpu))
    over = threading.Event()

    def disturb() -> None:
        while not over.wait(PAUSE):
            synchronise(gpu)

    thread = threading.Thread(target=disturb)
    thread.start()
    try:
        with warned() as said:
            (model, _), disturbed = timed(lambda: train(X, y, SMALL, backend=gpu))
    finally:
        over.set()
        thread.join()
    difference = apart(model.theta, expected.theta)
    yield {
        "relative_difference": difference,
        "seconds_alone": alone,
        "seconds_disturbed": disturbed,
        "said": said,
        "passed": not said and difference < 1e-6,
    }


def one_predictor(device: str) -> Findings:
    """Predict batches of several sizes by one predictor in eight threads: each its own answer."""
    model = first_model()
    _, (X, _) = load_mnist()
    expected = Predictor(model, select_backend("cpu")).predict_proba(X[: max(SIZES)])
    predictor = Predictor(model, select_backend(device))

    def worst(thread: int) -> float:
        differences = []
        for call in range(CALLS):
            rows = SIZES[(thread + call) % len(SIZES)]
            found = predictor.predict_proba(X[:rows])
            differences.append(float(np.abs(found - expected[:rows]).max()))
        return max(differences)

    with warned() as said, ThreadPoolExecutor(THREADS) as pool:
        difference = max(pool.map(worst, range(THREADS)))
    yield {
        "largest_difference": difference,
        "said": said,
        "passed": difference < 1e-5 and not said,
    }
