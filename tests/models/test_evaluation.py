"""Accuracy and loss, on every array library."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mnn_gpu import evaluate, predict
from mnn_gpu.backends import Backend
from mnn_gpu.models.evaluation import count_correct
from tests.support.libraries import Library
from tests.support.models import random_model


@pytest.mark.parametrize("dtype", ["int32", "int64"])
def test_of_equal_scores_the_first_class_is_predicted(lib: Library, dtype: str) -> None:
    Z = np.array([[1.0, 3, 3, 2, -1], [1, 2, 3, 3, -1], [1, 3, 0, 3, -1]], np.float32)
    predicted = Z.argmax(axis=0)
    for labels in (predicted, predicted + 1, np.zeros(5), np.ones(5), np.full(5, 2)):
        here = lib.asarray((labels % 3).astype(dtype))
        count = count_correct(lib.asarray(Z), here)
        assert lib.owns(count)
        assert int(lib.to_numpy(count)) == (labels % 3 == predicted).sum()


@given(st.integers(1, 5), st.integers(1, 20), st.integers(0, 2**32 - 1))
@settings(deadline=None, max_examples=50)
def test_correct_predictions_are_counted_as_predicted(classes: int, rows: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    Z, labels = rng.integers(0, 3, (classes, rows)) * 0.5, rng.integers(0, classes, rows)
    assert count_correct(Z, labels) == (Z.argmax(axis=0) == labels).sum()


def test_the_evaluation_agrees_with_the_predictions(backend: Backend) -> None:
    model = random_model((12, 5, 3))
    rng = np.random.default_rng(0)
    for rows in (1, 30, 41, 30):
        X: Any = rng.integers(0, 256, (rows, 12), np.uint8)
        y = model.classes[rng.integers(0, 3, rows)]
        found = evaluate(model, X, y, backend)
        assert found.rows == rows
        assert found.errors == (predict(model, X, backend) != y).sum()
