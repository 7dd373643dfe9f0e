"""`Predictor`: equal to the formulas, compiled or not, for any number of images."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from mnn_gpu import DataError, Model, Predictor, TrainingConfig, predict, train
from mnn_gpu.backends import Backend
from mnn_gpu.backends.numpy_backend import NumpyBackend
from mnn_gpu.nn import network
from mnn_gpu.nn.parameters import unflatten

CONFIG = TrainingConfig(hidden=(8,), learning_rate=0.5, epochs=5)


@pytest.fixture
def model(images: dict[str, Any]) -> Model:
    return train(images["X"], images["y"], CONFIG, backend=NumpyBackend())[0]


def expected(model: Model, X: Any) -> Any:
    """Return the probabilities, from the formulas in NumPy."""
    layers = unflatten(model.theta, model.layer_sizes)
    return network.forward(layers, network.scale_pixels(np.asarray(X).T, np.float32))[1][-1].T


@pytest.mark.parametrize("shard_rows", [1, 7, 30, 1000])
@pytest.mark.parametrize("rows", [1, 2, 29, 30])
def test_repeated_predictions_are_equal(
    backend: Backend, images: dict[str, Any], model: Model, rows: int, shard_rows: int
) -> None:
    predictor = Predictor(model, replace_shard_rows(backend, shard_rows))
    for start in (0, 1, 0, 1, 0):
        X = images["X"][start : start + rows]
        P = predictor.predict_proba(X)
        np.testing.assert_allclose(P, expected(model, X), rtol=1e-4, atol=1e-6)
        np.testing.assert_array_equal(predictor.predict(X), model.classes[P.argmax(axis=1)])


def replace_shard_rows(backend: Backend, shard_rows: int) -> Backend:
    if isinstance(backend, NumpyBackend):
        smaller = NumpyBackend()
        object.__setattr__(smaller, "shard_rows", shard_rows)
        return smaller
    return replace(backend, shard_rows=shard_rows)


def test_later_predictions_leave_earlier_results_unchanged(
    backend: Backend, images: dict[str, Any], model: Model
) -> None:
    predictor = Predictor(model, backend)
    for _ in range(3):
        first = predictor.predict_proba(images["X"][:5])
        kept = first.copy()
        predictor.predict_proba(images["X"][5:10])
        np.testing.assert_array_equal(first, kept)


@pytest.mark.parametrize("threads", [2, 8])
def test_threads_may_share_a_predictor(
    backend: Backend, images: dict[str, Any], model: Model, threads: int
) -> None:
    predictor = Predictor(model, backend)

    def answer(start: int) -> Any:
        return predictor.predict_proba(images["X"][start : start + 1 + start % 2])

    starts = list(range(28)) * 8
    with ThreadPoolExecutor(threads) as pool:
        for start, P in zip(starts, pool.map(answer, starts), strict=True):
            X = images["X"][start : start + 1 + start % 2]
            np.testing.assert_allclose(P, expected(model, X), rtol=1e-4, atol=1e-6)


def test_a_signal_handler_may_use_the_predictor_that_it_interrupts(
    images: dict[str, Any], model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    predictor = Predictor(model)
    outside = predictor.predict_proba(images["X"][:7])
    inside: list[Any] = []
    plain = Predictor._device_scores

    def interrupted(self: Predictor, X: Any) -> Any:
        if not inside:
            inside.append(None)
            inside[0] = self.predict_proba(images["X"][7:])
        return plain(self, X)

    monkeypatch.setattr(Predictor, "_device_scores", interrupted)
    for _ in range(3):
        inside.clear()
        np.testing.assert_allclose(predictor.predict_proba(images["X"][:7]), outside, rtol=1e-5)
        expected_inside = expected(model, images["X"][7:])
        np.testing.assert_allclose(inside[0], expected_inside, rtol=1e-4, atol=1e-6)


def test_a_predictor_in_use_during_a_fork_works_in_the_child(
    images: dict[str, Any], model: Model
) -> None:
    predictor = Predictor(model)
    predictor._lock.acquire()  # As in a child that was forked during a prediction.
    P = predictor.predict_proba(images["X"])
    np.testing.assert_allclose(P, expected(model, images["X"]), rtol=1e-4, atol=1e-6)


def test_asyncio_may_predict_in_its_executor(images: dict[str, Any], model: Model) -> None:
    predictor = Predictor(model)
    expected = predictor.predict(images["X"])

    async def answers() -> Any:
        rows = (asyncio.to_thread(predictor.predict, X[None]) for X in images["X"])
        return await asyncio.gather(*rows)

    np.testing.assert_array_equal(np.concatenate(asyncio.run(answers())), expected)


def test_uint8_pixels_and_fractions_may_alternate(images: dict[str, Any], model: Model) -> None:
    predictor = Predictor(model)
    for _ in range(3):
        for X in (images["X"], images["X"] / np.float32(255), images["X"] / 255):
            P = predictor.predict_proba(X)
            np.testing.assert_allclose(P, expected(model, images["X"]), rtol=1e-4, atol=1e-6)


def test_many_different_batch_sizes(images: dict[str, Any], model: Model) -> None:
    predictor = Predictor(model)
    for _ in range(3):
        for rows in range(1, 31):
            X = images["X"][:rows]
            np.testing.assert_array_equal(predictor.predict(X), predict(model, X))
    assert len(predictor._compiled) < 30


def test_a_predictor_works_after_invalid_pixels(images: dict[str, Any], model: Model) -> None:
    predictor = Predictor(model)
    with pytest.raises(DataError, match="11 pixels, the model was trained on 12"):
        predictor.predict(images["X"][:, 1:])
    with pytest.raises(DataError, match=r"row 2, pixel 0: nan"):
        predictor.predict(np.array([[0.5] * 12, [np.nan] * 12]))
    assert len(predictor.predict(images["X"])) == 30
