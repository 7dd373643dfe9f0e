"""Resuming an interrupted fit of an estimator: the same result as without interruption."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.sparse
from safetensors.numpy import load_file
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.exceptions import ConvergenceWarning
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from mnn_gpu import MLPClassifier, MLPRegressor, ModelFileError, TrainingWarning, UsageError
from mnn_gpu.estimators.before_1_7 import HAS_WEIGHTS
from mnn_gpu.estimators.checkpoint import ATTRIBUTES
from tests.estimators.test_estimators import types
from tests.training.test_checkpoint import rewritten

X, y = load_digits(return_X_y=True)
X, y = X[:200] / 16, y[:200]
SETTINGS: dict[str, Any] = {
    "hidden_layer_sizes": (12, 8),
    "max_iter": 7,
    "random_state": 3,
    "batch_size": 30,
    "device": "cpu",
}

pytestmark = pytest.mark.filterwarnings(
    f"ignore::{ConvergenceWarning.__module__}.ConvergenceWarning"
)


class Cut(Exception):  # noqa: N818
    """Simulates a process that is killed."""


def cut_after(epochs: int, estimator: Any) -> Any:
    """Interrupt an estimator's fit at the end of an epoch."""
    update = type(estimator)._update_no_improvement_count

    def killed(*arguments: Any) -> None:
        update(estimator, *arguments)
        if len(estimator.loss_curve_) > epochs:
            raise Cut

    estimator._update_no_improvement_count = killed
    return estimator


KINDS: dict[str, tuple[Any, dict[str, Any]]] = {
    "adam": (MLPClassifier, {}),
    "sgd": (MLPClassifier, {"solver": "sgd", "learning_rate": "invscaling", "momentum": 0.5}),
    "adaptive": (
        MLPClassifier,
        {"solver": "sgd", "learning_rate": "adaptive", "tol": 1.0, "n_iter_no_change": 1},
    ),
    "early": (MLPClassifier, {"early_stopping": True, "n_iter_no_change": 2}),
    "in order": (MLPClassifier, {"shuffle": False}),
    "regressor": (MLPRegressor, {"early_stopping": True}),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("epochs", [1, 2, 4])
def test_an_interrupted_fit_gives_the_same_network(tmp_path: Path, kind: str, epochs: int) -> None:
    of, more = KINDS[kind]
    expected = of(**SETTINGS, **more).fit(X, y)
    estimator = of(**SETTINGS, **more, checkpoint=tmp_path, warm_start=True)
    if expected.n_iter_ > epochs:
        with pytest.raises(Cut):
            cut_after(epochs, clone(estimator)).fit(X, y)
    resumed = estimator.fit(X, y)
    for one, other in zip(expected.coefs_, resumed.coefs_, strict=True):
        np.testing.assert_array_equal(one, other)
    assert resumed.loss_curve_ == expected.loss_curve_
    assert resumed.validation_scores_ == expected.validation_scores_
    assert (resumed.n_iter_, resumed.t_) == (expected.n_iter_, expected.t_)


@pytest.mark.parametrize("data", ["sparse", "weighted", "float32"])
def test_resuming_works_for_all_kinds_of_data(tmp_path: Path, data: str) -> None:
    rows = {"sparse": scipy.sparse.csr_array(X), "float32": X.astype(np.float32)}.get(data, X)
    fitted: dict[str, Any] = {"sample_weight": np.arange(200) % 3} if data == "weighted" else {}
    expected = MLPClassifier(**SETTINGS).fit(rows, y, **fitted)
    estimator = MLPClassifier(**SETTINGS, checkpoint=tmp_path, warm_start=True)
    with pytest.raises(Cut):
        cut_after(3, clone(estimator)).fit(rows, y, **fitted)
    estimator.fit(rows, y, **fitted)
    for one, other in zip(expected.coefs_, estimator.coefs_, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("early", [False, True])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("of", [MLPClassifier, MLPRegressor])
def test_restored_attributes_keep_their_types(
    tmp_path: Path, of: type, dtype: type, *, early: bool
) -> None:
    settings = {**SETTINGS, "max_iter": 2, "early_stopping": early}
    rows, targets = X.astype(dtype), y.astype(dtype)
    expected = of(**settings).fit(rows, targets)
    for _ in "fitted", "restored":
        actual = of(**settings, checkpoint=tmp_path, warm_start=True).fit(rows, targets)
        for name in ATTRIBUTES:
            assert types(getattr(actual, name)) == types(getattr(expected, name)), name


@pytest.mark.parametrize("seed", [None, np.random.RandomState(5)])
def test_resuming_works_for_all_kinds_of_random_state(tmp_path: Path, seed: Any) -> None:
    settings = {**SETTINGS, "random_state": seed, "early_stopping": True}
    estimator = MLPClassifier(**settings, checkpoint=tmp_path, warm_start=True)
    with pytest.raises(Cut):
        cut_after(3, estimator).fit(X, y)
    before = np.random.get_state(legacy=False)["state"]["pos"]  # noqa: NPY002
    again = MLPClassifier(**{**settings, "random_state": 1}, checkpoint=tmp_path, warm_start=True)
    again.fit(X, y)
    assert np.random.get_state(legacy=False)["state"]["pos"] == before  # noqa: NPY002
    assert again.loss_curve_[:3] == estimator.loss_curve_[:3]
    assert again.n_iter_ == 7


@pytest.mark.parametrize("kind", KINDS)
def test_a_finished_fit_is_loaded_without_training(tmp_path: Path, kind: str) -> None:
    of, more = KINDS[kind]
    settings = {**SETTINGS, **more, "checkpoint": tmp_path, "warm_start": True}
    expected = of(**settings).fit(X, y)
    files = {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    actual = of(**settings).fit(X, y)  # As if the process had been killed before it saved.
    assert actual.loss_curve_ == expected.loss_curve_
    assert (actual.n_iter_, actual.t_) == (expected.n_iter_, expected.t_)
    for one, other in zip(expected.coefs_, actual.coefs_, strict=True):
        np.testing.assert_array_equal(one, other)
    assert {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()} == files
    np.testing.assert_array_equal(actual.predict(X), expected.predict(X))


def test_a_fitted_estimator_is_trained_further_by_another_fit(tmp_path: Path) -> None:
    settings = {**SETTINGS, "warm_start": True}
    expected = MLPClassifier(**settings).fit(X, y).fit(X, y)
    actual = MLPClassifier(**settings, checkpoint=tmp_path).fit(X, y).fit(X, y)
    assert len(actual.loss_curve_) == 14
    for one, other in zip(expected.coefs_, actual.coefs_, strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_finished_fit_continues_if_more_epochs_are_requested(tmp_path: Path) -> None:
    longer = {**SETTINGS, "max_iter": 9}
    expected = MLPClassifier(**longer).fit(X, y)
    MLPClassifier(**SETTINGS, checkpoint=tmp_path).fit(X, y)
    actual = MLPClassifier(**longer, checkpoint=tmp_path, warm_start=True).fit(X, y)
    assert actual.loss_curve_ == expected.loss_curve_
    np.testing.assert_array_equal(actual.coefs_[0], expected.coefs_[0])


def test_more_epochs_may_be_requested_when_resuming(tmp_path: Path) -> None:
    expected = MLPClassifier(**{**SETTINGS, "max_iter": 9}).fit(X, y)
    with pytest.raises(Cut):
        cut_after(3, MLPClassifier(**SETTINGS, checkpoint=tmp_path)).fit(X, y)
    settings = {**SETTINGS, "max_iter": 9}
    actual = MLPClassifier(**settings, checkpoint=tmp_path, warm_start=True).fit(X, y)
    np.testing.assert_array_equal(actual.coefs_[0], expected.coefs_[0])


def test_resuming_works_in_a_pipeline(tmp_path: Path) -> None:
    kept, alone = (MLPClassifier(**SETTINGS, checkpoint=folder) for folder in (tmp_path, None))
    scores = [make_pipeline(StandardScaler(), of).fit(X, y).score(X, y) for of in (kept, alone)]
    assert scores[0] == scores[1]
    assert len(list(tmp_path.glob("checkpoint-*"))) == 2


def test_the_previous_file_is_used_if_the_last_is_damaged(tmp_path: Path) -> None:
    expected = MLPClassifier(**SETTINGS).fit(X, y)
    with pytest.raises(Cut):
        cut_after(4, MLPClassifier(**SETTINGS, checkpoint=tmp_path)).fit(X, y)
    newer = max(tmp_path.glob("checkpoint-*"))
    newer.write_bytes(newer.read_bytes()[:-1])
    estimator = MLPClassifier(**SETTINGS, checkpoint=tmp_path, warm_start=True)
    with pytest.warns(TrainingWarning, match="Using the previous one"):
        estimator.fit(X, y)
    np.testing.assert_array_equal(estimator.coefs_[0], expected.coefs_[0])
    for path in tmp_path.glob("checkpoint-*"):
        path.write_bytes(b"")
    with (
        pytest.raises(ModelFileError, match="not a complete checkpoint"),
        pytest.warns(TrainingWarning),
    ):
        estimator.fit(X, y)


@pytest.mark.parametrize(
    "change",
    [
        {"n_iter_": "-1"},
        {"n_iter_": "0"},
        {"n_iter_": "99"},
        {"t_": "7"},
        {"steps": "0"},
        {"place": "625"},
        {"learning_rate": "0.0"},
        {"loss_": "0.5"},
        {"loss_curve_": "[]"},
        {"loss_curve_": '["1"]'},
        {"best_loss_": '"none"'},
        {"best_loss_": "-1.0"},
        {"best_validation_score_": "0.99999"},
        {"validation_scores_": "[7.0]"},
        {"_no_improvement_count": "99"},
        {"finished": "1"},
        {"optimizer_state1": -1.0},
        {"theta": np.nan},
        {"best": np.nan},
        {"order": 1.0},
    ],
    ids=str,
)
def test_a_forged_checkpoint_is_refused(tmp_path: Path, change: dict[str, Any]) -> None:
    early = not {"best_loss_", "finished"} & set(change)
    settings = {**SETTINGS, "early_stopping": early, "checkpoint": tmp_path}
    with pytest.raises(Cut):
        cut_after(3, MLPClassifier(**settings)).fit(X, y)
    older, path = sorted(tmp_path.glob("checkpoint-*"))
    older.unlink()
    texts = {name: value for name, value in change.items() if isinstance(value, str)}
    arrays = {
        name: (array := load_file(path)[name]) * 0 + np.asarray(change[name], array.dtype)
        for name in change.keys() - texts.keys()
    }
    rewritten(path, texts, arrays)
    with pytest.raises(ModelFileError, match="not a complete checkpoint"):
        MLPClassifier(**settings, warm_start=True).fit(X, y)


def test_a_checkpoint_of_another_fit_is_refused(tmp_path: Path) -> None:
    MLPClassifier(**SETTINGS, checkpoint=tmp_path).fit(X, y)
    with pytest.raises(UsageError, match="already exists") as caught:
        MLPClassifier(**SETTINGS, checkpoint=tmp_path).fit(X, y)
    assert "warm_start=True" in caught.value.cure
    warm: dict[str, Any] = {**SETTINGS, "checkpoint": tmp_path, "warm_start": True}
    with pytest.raises(UsageError, match=r"alpha 0\.0001, not 1\.0"):
        MLPClassifier(**warm, alpha=1.0).fit(X, y)
    with pytest.raises(UsageError, match="other data"):
        MLPClassifier(**warm).fit(X[::-1], y)
    with pytest.raises(UsageError, match="other data" if HAS_WEIGHTS else "needs scikit-learn"):
        MLPClassifier(**warm).fit(X, y, sample_weight=np.ones(200))


def test_checkpoints_of_lbfgs_and_partial_fit_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="partial_fit keeps no checkpoints"):
        MLPClassifier(**SETTINGS, checkpoint=tmp_path).partial_fit(X, y, classes=np.arange(10))
    with pytest.raises(UsageError, match="lbfgs keeps no checkpoints"):
        MLPClassifier(**SETTINGS, solver="lbfgs", checkpoint=tmp_path).fit(X, y)
    with pytest.raises(ValueError, match="checkpoint"):
        MLPClassifier(**SETTINGS, checkpoint=5).fit(X, y)  # type: ignore[arg-type]
