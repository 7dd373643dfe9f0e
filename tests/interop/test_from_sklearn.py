"""scikit-learn: imported classifiers give the same probabilities."""

from __future__ import annotations

import warnings
from types import SimpleNamespace
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mnn_gpu import Model, ModelFileError, UsageError, from_sklearn, predict, predict_proba
from tests.support.models import models

# ---- anything with the same attributes ------------------------------------------------


def like_sklearn(model: Model, **changes: Any) -> SimpleNamespace:
    """Return the attributes of scikit-learn's classifier for a network."""
    attributes = {
        "coefs_": [W.T for W, _ in model.layers],
        "intercepts_": [b.reshape(-1) for _, b in model.layers],
        "classes_": model.classes,
        "activation": "relu",
        "out_activation_": "softmax",
    }
    return SimpleNamespace(**(attributes | changes))


@settings(deadline=None)
@given(model=models())
def test_a_classifier_with_softmax_is_imported_unchanged(model: Model) -> None:
    back = from_sklearn(like_sklearn(model))
    np.testing.assert_array_equal(back.theta, model.theta)
    assert back.theta.dtype == model.theta.dtype
    assert back.layer_sizes == model.layer_sizes
    np.testing.assert_array_equal(back.classes, model.classes)


@settings(deadline=None)
@given(slope=st.floats(-50, 50), offset=st.floats(-50, 50))
def test_one_logistic_output_becomes_two(slope: float, offset: float) -> None:
    classifier = SimpleNamespace(
        coefs_=[np.array([[slope]])],
        intercepts_=[np.array([offset])],
        classes_=np.array([4, 9]),
        activation="tanh",  # Has no effect without hidden layers.
        out_activation_="logistic",
    )
    X = np.linspace(0, 1, 5)[:, None]
    z = slope * X + offset
    p = 1 / (1 + np.exp(-z))
    model = from_sklearn(classifier)
    np.testing.assert_allclose(predict_proba(model, X), np.hstack([1 - p, p]), atol=1e-15)
    np.testing.assert_array_equal(predict(model, X), np.where(z[:, 0] > 0, 9, 4))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"activation": "tanh"}, "activation tanh"),
        ({"activation": "logistic"}, "activation logistic"),
        ({"activation": "identity"}, "activation identity"),
        ({"out_activation_": "identity"}, "predicts numbers"),
        ({"classes_": np.array(["a", "b", "c"])}, "labels that are not integers, such as"),
        ({"classes_": np.array(["0", "1", "2"], object)}, "labels that are not integers"),
        ({"classes_": np.array([0.5, 1, 2])}, "labels that are not integers"),
        ({"out_activation_": "logistic"}, "predicts several labels"),
        ({"coefs_": [np.ones((4, 5)), np.ones((6, 3))]}, "takes 6 inputs"),
    ],
)
def test_unsupported_networks_are_refused(changes: dict[str, Any], message: str) -> None:
    model = Model(np.ones(4 * 5 + 5 * 3 + 8), (4, 5, 3), np.array([0, 1, 2]))
    with pytest.raises(ModelFileError, match=message) as caught:
        from_sklearn(like_sklearn(model, **changes))
    assert "the SimpleNamespace" in caught.value.cause
    assert caught.value.cure


@pytest.mark.parametrize("thing", [SimpleNamespace(), None, {"coefs_": []}])
def test_an_unfitted_classifier_is_refused(thing: object) -> None:
    with pytest.raises(UsageError, match="has no coefs_"):
        from_sklearn(thing)


def test_negative_labels_are_refused() -> None:
    model = Model(np.ones(15), (4, 3), np.array([-1, 0, 1]))
    with pytest.raises(UsageError, match="classes are"):
        from_sklearn(like_sklearn(model))


# ---- with scikit-learn ----------------------------------------------------------------


@pytest.fixture(scope="module")
def mlp() -> Any:
    """Return a function that fits one of scikit-learn's networks for a few iterations."""
    sklearn = pytest.importorskip("sklearn.neural_network")

    def fitted(X: Any, y: Any, kind: str = "MLPClassifier", **options: Any) -> Any:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # It did not converge.
            options = {"hidden_layer_sizes": (7, 5), "max_iter": 5, "random_state": 1} | options
            return getattr(sklearn, kind)(**options).fit(X, y)

    return fitted


@pytest.fixture
def X() -> npt.NDArray[np.float64]:
    return np.random.default_rng(0).random((40, 6))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("labels", [[0, 1, 2], [3, 8], [9, 4, 2, 7]])
@pytest.mark.parametrize("hidden", [(), (7,), (7, 5, 4)])
def test_a_fitted_classifier_has_the_same_probabilities(
    mlp: Any, X: Any, labels: list[int], hidden: tuple[int, ...], dtype: Any
) -> None:
    X = X.astype(dtype)
    classifier = mlp(X, np.resize(labels, len(X)), hidden_layer_sizes=hidden)
    model = from_sklearn(classifier)
    assert model.theta.dtype == dtype
    tolerance = 1e-6 if dtype == np.float32 else 1e-14
    expected = classifier.predict_proba(X)
    np.testing.assert_allclose(predict_proba(model, X), expected, rtol=0, atol=tolerance)
    np.testing.assert_array_equal(predict(model, X), classifier.predict(X))


def test_a_preceding_scaler_is_folded_into_the_model(mlp: Any, X: Any) -> None:
    from sklearn.preprocessing import StandardScaler

    scaler = StandardScaler().fit(X)
    classifier = mlp(scaler.transform(X), np.arange(len(X)) % 3)
    model = from_sklearn(classifier, mean=scaler.mean_, std=scaler.scale_)
    expected = classifier.predict_proba(scaler.transform(X))
    np.testing.assert_allclose(predict_proba(model, X), expected, rtol=0, atol=1e-12)


def test_other_scikit_learn_models_are_refused(mlp: Any, X: Any) -> None:
    y = np.arange(len(X)) % 3
    for options, message in (
        ({"y": y, "activation": "tanh"}, "activation tanh"),
        ({"y": y.astype(str)}, "not integers"),
        ({"y": y == 0}, "not integers"),
        ({"y": np.eye(3)[y]}, "several labels"),
        ({"y": y.astype(float), "kind": "MLPRegressor"}, "predicts numbers"),
    ):
        with pytest.raises(ModelFileError, match=message):
            from_sklearn(mlp(X, **options))
