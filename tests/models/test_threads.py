"""Threads that share a model, or train concurrently: equal to sequential results."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from threading import Barrier
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
import pytest

from mnn_gpu import MLPClassifier, MLPRegressor, TrainingConfig, evaluate, predict, train
from mnn_gpu.backends import Backend

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

THREADS = 4
RNG = np.random.default_rng(0)
X = RNG.integers(0, 256, (400, 20), dtype=np.uint8)
Y = X[:, :5].argmax(axis=1)
UNIT = X / np.float32(255)
T = TypeVar("T")


def side_by_side(tasks: Sequence[Callable[[], T]], rounds: int = 1) -> list[list[T]]:
    """Run each task in a thread, all starting at once; return the results of each round."""
    start = Barrier(len(tasks))

    def started(task: Callable[[], T]) -> T:
        start.wait(timeout=60)
        return task()

    with ThreadPoolExecutor(len(tasks)) as pool:
        return [list(pool.map(started, tasks)) for _ in range(rounds)]


def parts(count: int = THREADS) -> list[slice]:
    """Return a different number of rows for each thread."""
    return [slice(i * 40, 400 - i * 17) for i in range(count)]


def assert_equal(actual: Any, expected: Any) -> None:
    for one, other in zip(actual, expected, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("kind", [MLPClassifier, MLPRegressor])
def test_threads_may_share_a_fitted_estimator(kind: Any) -> None:
    estimator = kind(hidden_layer_sizes=(9,), max_iter=3, random_state=0, device="cpu")
    estimator.fit(UNIT, Y)
    asked = [partial(estimator.predict, UNIT[rows]) for rows in parts()]
    if kind is MLPClassifier:
        asked += [partial(estimator.predict_proba, UNIT[rows]) for rows in parts()]
    expected = [ask() for ask in asked]
    for found in side_by_side(asked, rounds=10):
        assert_equal(found, expected)


def test_threads_may_predict_and_evaluate_with_one_model(backend: Backend) -> None:
    model = train(X, Y, TrainingConfig(hidden=(9,), epochs=3), backend=backend)[0]

    def losses(rows: slice) -> list[float]:
        result = evaluate(model, X[rows], Y[rows], backend)
        return [result.loss, result.accuracy]

    asked: list[Callable[[], Any]] = []
    for rows in parts():
        asked += [partial(predict, model, X[rows], backend), partial(losses, rows)]
    expected = [ask() for ask in asked]
    for found in side_by_side(asked, rounds=10):
        assert_equal(found, expected)


def trained(backend: Backend, seed: int) -> npt.NDArray[Any]:
    config = TrainingConfig(hidden=(9, 7), epochs=4, batch_size=50, optimizer="adam", seed=seed)
    theta: npt.NDArray[Any] = train(X, Y, config, backend=backend)[0].theta
    return theta


def fitted(solver: str) -> npt.NDArray[Any]:
    settings: dict[str, Any] = {"max_iter": 4, "batch_size": 50, "random_state": 0}
    estimator = MLPClassifier((9, 7), solver=solver, device="cpu", **settings).fit(UNIT, Y)
    return np.concatenate([array.reshape(-1) for array in estimator.coefs_])


def test_training_in_concurrent_threads_gives_the_same_results(backend: Backend) -> None:
    tasks = [partial(trained, backend, seed) for seed in (0, 1)]
    fits = [partial(fitted, solver) for solver in ("adam", "sgd", "lbfgs")]
    everything: list[Callable[[], Any]] = [*tasks, *fits]
    expected = [task() for task in everything]
    for found in side_by_side(everything, rounds=3):
        assert_equal(found, expected)
    assert not np.array_equal(expected[0], expected[1])
