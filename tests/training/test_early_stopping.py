"""Early stopping and a wanted accuracy: when a training ends, and with which parameters."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import pytest

from mnn_gpu import Record, TrainingConfig, UsageError, evaluate, train
from mnn_gpu.training.early_stopping import Best, EarlyStopping


def record(iteration: int, accuracy: float, loss: float = 1.0) -> Record:
    return Record(iteration, iteration, 0.5, 0.6, 1.0, loss, accuracy)


def ends(config: TrainingConfig, accuracies: list[float], losses: list[float]) -> tuple[int, int]:
    """Return after how many records it stops, and whose parameters are the best."""
    early_stopping, records = EarlyStopping(config), []
    for i, (accuracy, loss) in enumerate(zip(accuracies, losses, strict=True)):
        records.append(record(i + 1, accuracy, loss))
        if early_stopping.is_over(records, partial(np.full, 1, float(i))):
            break
    best = early_stopping.best
    if best is not None:
        assert best.theta[0] == best.record
    return len(records), best.record if best else -1


@pytest.mark.parametrize(
    ("accuracies", "losses", "expected"),
    [
        ([0.5, 0.6, 0.7, 0.8], [1, 1, 1, 1], (4, 3)),
        ([0.5, 0.6, 0.6, 0.6, 0.9], [1, 1, 1, 1, 1], (4, 1)),
        ([0.5, 0.6, 0.6, 0.5, 0.5, 0.5], [1, 1, 0.9, 1, 1, 1], (5, 2)),
        ([0.9, 0.1, 0.1, 0.95], [1, 1, 1, 1], (3, 0)),
    ],
)
def test_patience_counts_records_without_a_better_one(
    accuracies: list[float], losses: list[float], expected: tuple[int, int]
) -> None:
    assert ends(TrainingConfig(patience=2), accuracies, losses) == expected


def test_a_wanted_accuracy_ends_the_training() -> None:
    assert ends(TrainingConfig(target_accuracy=0.7), [0.5, 0.69, 0.7, 0.9], [1] * 4) == (3, -1)


def test_patience_is_remembered_over_a_break() -> None:
    records = [record(1, 0.9), record(2, 0.8), record(3, 0.8)]
    early_stopping = EarlyStopping(TrainingConfig(patience=2), Best(0, np.zeros(1)))
    assert early_stopping.is_over(records, lambda: np.ones(1))
    assert early_stopping.best is not None
    assert early_stopping.best.record == 0


def test_the_best_parameters_are_the_models(images: dict[str, Any]) -> None:
    # So high a rate that later parameters are often worse than earlier ones.
    config = TrainingConfig(
        hidden=(8,), learning_rate=3.0, epochs=200, batch_size=5, patience=6, seed=3
    )
    rng = np.random.default_rng(0)
    held_out = images["X"], rng.permutation(images["y"])
    model, history = train(images["X"], images["y"], config, validation=held_out)
    accuracies = [r.validation_accuracy or 0.0 for r in history.records]
    assert history.best is not None
    assert history.best.validation_accuracy == max(accuracies)
    assert len(accuracies) < 200
    assert history.records.index(history.best) == len(accuracies) - 1 - 6
    assert evaluate(model, *held_out).accuracy == max(accuracies)
    assert history.validation is not None
    assert history.validation.accuracy == max(accuracies)


def test_until_looks_at_the_training_rows_if_none_are_held_out(images: dict[str, Any]) -> None:
    config = TrainingConfig(
        hidden=(8,), learning_rate=0.5, epochs=300, batch_size=10, target_accuracy=0.9
    )
    _, history = train(images["X"], images["y"], config)
    assert history.records[-1].accuracy >= 0.9
    assert all(r.accuracy < 0.9 for r in history.records[:-1])
    assert len(history.records) < 300


def test_patience_without_held_out_rows_is_an_error(images: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match="held-out") as caught:
        train(images["X"], images["y"], TrainingConfig(patience=3))
    assert "--holdout" in caught.value.cure
