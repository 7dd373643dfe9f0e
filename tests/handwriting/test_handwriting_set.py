"""The generated images in tests/handwriting: their number, and that they are classified."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

import mnn_gpu
from mnn_gpu.data import bundled_mnist
from tests.support.handwriting.surroundings import KINDS

FOLDER = Path(__file__).parents[1] / "handwriting"
IMAGES = sorted(FOLDER.glob("[0-9]-*"))


def test_there_are_ten_of_each_digit_and_they_are_small() -> None:
    counts = Counter(path.name[0] for path in IMAGES)
    assert set(counts) == set("0123456789")
    assert min(counts.values()) >= 10
    assert sum(path.stat().st_size for path in IMAGES) < 400_000


def test_the_record_model_classifies_nearly_all_of_them() -> None:
    X = np.stack([mnn_gpu.prepare_digit(path) for path in IMAGES])
    model = mnn_gpu.load_model("record")
    answers = mnn_gpu.predict(model, X, mnn_gpu.select_backend("cpu"))
    assert np.mean(answers == [int(path.name[0]) for path in IMAGES]) >= 0.95


@pytest.mark.parametrize("kind", KINDS)
def test_surroundings_of_a_digit_are_removed(kind: str) -> None:
    """At least 55 of 60, here 28 of 30."""
    data = bundled_mnist("test")
    digits, labels = data.X[:30].reshape(-1, 28, 28), data.labels()[:30]
    X = [
        mnn_gpu.prepare_digit(KINDS[kind](digit, np.random.default_rng([7, i])))
        for i, digit in enumerate(digits)
    ]
    answers = mnn_gpu.predict(
        mnn_gpu.load_model("record"), np.stack(X), mnn_gpu.select_backend("cpu")
    )
    assert np.count_nonzero(answers == labels) >= 28
