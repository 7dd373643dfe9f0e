"""MLPClassifier and MLPRegressor: the same numbers as scikit-learn, on any device."""

from __future__ import annotations

import doctest
import inspect
import pickle
import re
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest
import scipy.sparse
import sklearn.neural_network
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.datasets import load_digits, make_classification, make_regression
from sklearn.ensemble import BaggingClassifier
from sklearn.exceptions import ConvergenceWarning, DataConversionWarning
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

import mnn_gpu.estimators.device_fit
from mnn_gpu import (
    DataError,
    FallbackWarning,
    MLPClassifier,
    MLPRegressor,
    UsageError,
    from_sklearn,
    predict_proba,
    select_backend,
)
from mnn_gpu.estimators import classifier, regressor
from mnn_gpu.estimators.before_1_7 import HAS_WEIGHTS
from tests.support.libraries import Library, without_float64
from tests.support.standin_cupy import install

with pytest.MonkeyPatch.context() as _environment:
    # scikit-learn 1.6 cannot import it without this where array-api-compat is installed.
    _environment.setenv("SCIPY_ARRAY_API", "1")
    from sklearn.utils.estimator_checks import parametrize_with_checks

THEIRS: dict[type, type] = {
    MLPClassifier: sklearn.neural_network.MLPClassifier,
    MLPRegressor: sklearn.neural_network.MLPRegressor,
}
OURS = ("device", "checkpoint", "comm")
OLD = tuple(map(int, sklearn.__version__.split(".")[:2])) < (1, 9)
X, Y = load_digits(return_X_y=True)
X, Y = X[:500] / 16, Y[:500]
WEIGHTS = np.random.default_rng(3).random(len(Y))
TARGETS: dict[str, npt.NDArray[Any]] = {
    "ten classes": Y,
    "two classes": Y > 4,
    "words": np.array(["zero", "one", "two", "many"])[np.minimum(Y, 3)],
    "multilabel": np.stack([Y % 2, Y > 4, Y % 3 == 0], axis=1).astype(int),
}
NUMBERS = {"one number": X[:, 20] + X[:, 30] ** 2, "two numbers": X[:, 20:22] + 1}
ATTRIBUTES = (
    *("n_iter_", "t_", "n_layers_", "n_outputs_", "out_activation_", "n_features_in_"),
    *("loss_", "best_loss_", "loss_curve_", "validation_scores_", "best_validation_score_"),
)
SETTINGS: dict[str, dict[str, Any]] = {
    "as they come": {},
    "two hidden layers, small batches": {"hidden_layer_sizes": (9, 7), "batch_size": 64},
    "no hidden layer": {"hidden_layer_sizes": ()},
    "tanh": {"activation": "tanh", "alpha": 0.1},
    "logistic": {"activation": "logistic", "shuffle": False},
    "identity": {"activation": "identity", "alpha": 0.0},
    "adam's own": {"beta_1": 0.5, "beta_2": 0.9, "epsilon": 1e-3},
    "sgd": {"solver": "sgd"},
    "sgd, no Nesterov": {"solver": "sgd", "nesterovs_momentum": False, "momentum": 0.5},
    "inverse scaling": {"solver": "sgd", "learning_rate": "invscaling", "power_t": 0.2},
    "adaptive": {"solver": "sgd", "learning_rate": "adaptive", "tol": 0.1, "n_iter_no_change": 1},
    "early stopping": {"early_stopping": True, "validation_fraction": 0.3},
    "stops early": {"early_stopping": True, "n_iter_no_change": 1, "learning_rate_init": 0.01},
    "stops": {"tol": 0.5, "n_iter_no_change": 1},
    "lbfgs": {"solver": "lbfgs"},
    "lbfgs, tanh": {"solver": "lbfgs", "activation": "tanh", "alpha": 1.0},
}


@pytest.fixture(autouse=True)
def _on_the_cpu(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Compare with scikit-learn on the CPU, without convergence warnings; one thread is faster."""
    monkeypatch.setenv("MNN_DEVICE", "cpu")
    with warnings.catch_warnings(), threadpool_limits(limits=1):
        warnings.simplefilter("ignore", ConvergenceWarning)
        yield


def pair(ours: type, *fit: Any, **settings: Any) -> tuple[Any, Any]:
    """Return this package's and scikit-learn's estimator, fitted with the same arguments."""
    settings = {"max_iter": 8, "random_state": 4, **settings}
    first, second = (kind(**settings).fit(*fit) for kind in (ours, THEIRS[ours]))
    return first, second


def assert_same(ours: Any, theirs: Any, rtol: float = 1e-9) -> None:
    for name in ("coefs_", "intercepts_"):
        for one, other in zip(getattr(ours, name), getattr(theirs, name), strict=True):
            assert one.dtype == other.dtype
            np.testing.assert_allclose(one, other, rtol=rtol, atol=rtol)
    for name in ATTRIBUTES:
        assert hasattr(ours, name) == hasattr(theirs, name), name
        mine: Any = getattr(ours, name, None)
        expected: Any = getattr(theirs, name, None)
        if isinstance(expected, list | float):
            np.testing.assert_allclose(mine, expected, rtol=rtol)
        else:
            assert mine == expected


# ---- scikit-learn's own checks ---------------------------------------------------------


@parametrize_with_checks(  # type: ignore[untyped-decorator, unused-ignore]
    [MLPClassifier(max_iter=20), MLPRegressor(max_iter=20)]
)
def test_all_of_scikit_learns_checks_pass(estimator: Any, check: Any) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        check(estimator)


# ---- the same numbers ------------------------------------------------------------------


@pytest.mark.parametrize("setting", SETTINGS)
@pytest.mark.parametrize("target", TARGETS)
def test_a_classifier_matches_scikit_learn(target: str, setting: str) -> None:
    if target == "words" and "early_stopping" in SETTINGS[setting] and OLD:
        pytest.skip("before 1.9, scikit-learn's own early stopping fails with words")
    ours, theirs = pair(MLPClassifier, X, TARGETS[target], **SETTINGS[setting])
    assert_same(ours, theirs)
    np.testing.assert_array_equal(ours.classes_, theirs.classes_)
    np.testing.assert_array_equal(ours.predict(X), theirs.predict(X))
    np.testing.assert_allclose(ours.predict_proba(X), theirs.predict_proba(X), atol=1e-9)
    logs = (some.predict_log_proba(X[:9]) for some in (ours, theirs))
    np.testing.assert_allclose(next(logs), next(logs), rtol=1e-6)
    assert ours.score(X, TARGETS[target], WEIGHTS) == theirs.score(X, TARGETS[target], WEIGHTS)


@pytest.mark.parametrize("setting", SETTINGS)
@pytest.mark.parametrize("target", NUMBERS)
@pytest.mark.parametrize("loss", ["squared_error", "poisson"])
def test_a_regressor_matches_scikit_learn(loss: str, target: str, setting: str) -> None:
    ours, theirs = pair(MLPRegressor, X, NUMBERS[target], loss=loss, **SETTINGS[setting])
    assert_same(ours, theirs)
    np.testing.assert_allclose(ours.predict(X), theirs.predict(X), rtol=1e-8)
    assert ours.score(X, NUMBERS[target]) == pytest.approx(theirs.score(X, NUMBERS[target]))


@pytest.mark.skipif(HAS_WEIGHTS, reason="scikit-learn before 1.7 lacks them")
@pytest.mark.parametrize("named", [True, False])
def test_weights_and_poisson_name_the_version_that_has_them(named: bool) -> None:
    given: Any = ((), {"sample_weight": WEIGHTS}) if named else ((WEIGHTS,), {})
    for fit in (MLPClassifier().fit, MLPRegressor().fit, MLPRegressor().partial_fit):
        with pytest.raises(UsageError, match="sample_weight needs scikit-learn"):
            fit(X, Y, *given[0], **given[1])
    with pytest.raises(UsageError, match="loss needs scikit-learn"):
        MLPRegressor(loss="poisson")
    bagged = BaggingClassifier(MLPClassifier(max_iter=2), 2).fit(X, Y)
    assert bagged.predict(X).shape == Y.shape


@pytest.mark.parametrize("setting", ["as they come", "sgd", "early stopping", "lbfgs"])
@pytest.mark.parametrize(("ours", "y"), [(MLPClassifier, Y), (MLPRegressor, NUMBERS["one number"])])
def test_sample_weights_match_scikit_learn(ours: type, y: Any, setting: str) -> None:
    assert_same(*pair(ours, X, y, WEIGHTS, **SETTINGS[setting]))


def test_a_batch_with_zero_weights_is_refused_as_in_scikit_learn() -> None:
    weights = np.where(np.arange(len(Y)) < 100, 0.0, 1.0)
    for kind in (MLPClassifier, THEIRS[MLPClassifier]):
        with pytest.raises(ZeroDivisionError, match="Weights sum to zero"):
            kind(batch_size=100, shuffle=False).fit(X, Y, weights)


def test_float32_stays_float32() -> None:
    ours, theirs = pair(MLPClassifier, X.astype(np.float32), Y)
    assert_same(ours, theirs, rtol=1e-4)
    assert ours.predict_proba(X.astype(np.float32)).dtype == np.float32


@pytest.mark.parametrize("solver", ["adam", "sgd"])
def test_partial_fit_continues_the_previous_call(solver: str) -> None:
    ours, theirs = (
        kind(solver=solver, random_state=1, batch_size=10)
        for kind in (MLPClassifier, THEIRS[MLPClassifier])
    )
    for start in range(0, 500, 100):
        for one in (ours, theirs):
            one.partial_fit(X[start : start + 100], Y[start : start + 100], classes=range(10))
        ours = pickle.loads(pickle.dumps(ours))
    assert_same(ours, theirs)
    regressors = [
        kind(solver=solver, random_state=1).partial_fit(X, Y).partial_fit(X, Y)
        for kind in (MLPRegressor, THEIRS[MLPRegressor])
    ]
    assert_same(*regressors)


def test_a_warm_start_continues_the_previous_fit() -> None:
    ours, theirs = pair(MLPClassifier, X, Y, warm_start=True)
    assert_same(ours.fit(X, Y), theirs.fit(X, Y))


# ---- messages --------------------------------------------------------------------------


@pytest.mark.parametrize("setting", ["as they come", "stops early", "stops", "adaptive"])
def test_the_same_is_printed(setting: str, capsys: pytest.CaptureFixture[str]) -> None:
    printed = []
    for kind in (MLPClassifier, THEIRS[MLPClassifier]):
        kind(random_state=0, max_iter=12, verbose=True, **SETTINGS[setting]).fit(X, Y)
        printed.append(capsys.readouterr().out)
    assert printed[0] == printed[1] != ""


WRONG: dict[str, tuple[dict[str, Any], tuple[Any, ...]]] = {
    "layer of no units": ({"hidden_layer_sizes": (3, 0)}, (X, Y)),
    "unknown activation": ({"activation": "gelu"}, (X, Y)),
    "unknown solver": ({"solver": "adamw"}, (X, Y)),
    "negative alpha": ({"alpha": -1}, (X, Y)),
    "beta of 1": ({"beta_1": 1.0}, (X, Y)),
    "momentum": ({"momentum": 2}, (X, Y)),
    "device of no name": ({"device": 7}, (X, Y)),
    "too few held out": ({"early_stopping": True, "validation_fraction": 0.002}, (X, Y)),
    "NaN": ({}, (np.full_like(X, np.nan), Y)),
    "rows": ({}, (X[:-1], Y)),
    "one dimension": ({}, (X[0], Y)),
    "too large": ({"solver": "sgd", "learning_rate_init": 1e300, "max_iter": 3}, (X, Y)),
    "weights": ({}, (X, Y, [1.0, 2.0])),
}


@pytest.mark.parametrize("name", WRONG)
def test_invalid_input_raises_the_same_errors_as_in_scikit_learn(name: str) -> None:
    settings, arguments = WRONG[name]
    with pytest.raises(ValueError) as ours, np.errstate(all="ignore"):  # noqa: PT011
        MLPClassifier(**settings).fit(*arguments)
    if "device" in settings:
        assert "'device' parameter" in str(ours.value)
        return
    if not HAS_WEIGHTS and name in ("too few held out", "weights"):
        return  # scikit-learn 1.6 does not check this.
    with pytest.raises(ValueError) as theirs, np.errstate(all="ignore"):  # noqa: PT011
        THEIRS[MLPClassifier](**settings).fit(*arguments)
    assert str(ours.value) == str(theirs.value)


def test_partial_fit_is_missing_with_lbfgs_and_refuses_early_stopping() -> None:
    with pytest.raises(AttributeError, match="partial_fit"):
        MLPClassifier(solver="lbfgs").partial_fit(X, Y, classes=range(10))
    with pytest.raises(ValueError, match="early_stopping"):
        MLPClassifier(early_stopping=True).partial_fit(X, Y, classes=range(10))


def test_warnings_match_scikit_learn() -> None:
    with pytest.warns(ConvergenceWarning, match=r"Maximum iterations \(2\) reached"):
        MLPClassifier(max_iter=2).fit(X, Y)
    with pytest.warns(DataConversionWarning, match="column-vector"):
        MLPClassifier(tol=10, n_iter_no_change=1).fit(X, Y[:, None])
    with pytest.warns(UserWarning, match="going to be clipped"):
        MLPClassifier(tol=10, n_iter_no_change=1, batch_size=501).fit(X, Y)
    with pytest.warns(ConvergenceWarning, match="lbfgs failed to converge"):
        MLPClassifier(solver="lbfgs", max_iter=2).fit(X, Y)


def test_an_invalid_device_is_a_usage_error() -> None:
    with pytest.raises(UsageError, match="is not a device"):
        MLPClassifier(device="gpu").fit(X, Y)


def test_ctrl_c_keeps_the_current_parameters(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: Any) -> None:
        raise KeyboardInterrupt

    estimator = MLPClassifier(random_state=0)
    monkeypatch.setattr(estimator, "_update_no_improvement_count", interrupt)
    with pytest.warns(UserWarning, match="interrupted by user"):
        estimator.fit(X, Y)
    assert estimator.n_iter_ == 1
    assert estimator.predict(X).shape == Y.shape


# ---- kinds of data ---------------------------------------------------------------------

SPARSE = [scipy.sparse.csr_matrix, scipy.sparse.csc_matrix, scipy.sparse.csr_array]


@pytest.mark.parametrize("dense", [True, False])
@pytest.mark.parametrize("kind", SPARSE)
def test_sparse_data_are_trained_on_dense_or_sparse(
    kind: Any, dense: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not dense:
        monkeypatch.setattr(mnn_gpu.estimators.device_fit, "DENSE_SHARE", 0)
    there = kind(X)
    for settings in ({}, {"early_stopping": True}, {"solver": "lbfgs"}):
        ours, theirs = pair(MLPClassifier, there, Y, WEIGHTS, **settings)
        assert_same(ours, theirs)
        np.testing.assert_allclose(ours.predict_proba(there), theirs.predict_proba(there))


def test_feature_names_are_read_from_data_frames() -> None:
    table = pd.DataFrame(X, columns=[f"pixel{i}" for i in range(X.shape[1])])
    ours, theirs = pair(MLPClassifier, table, pd.Series(Y))
    assert_same(ours, theirs)
    assert ours.feature_names_in_.tolist() == table.columns.tolist()
    np.testing.assert_array_equal(ours.predict(table), theirs.predict(table))
    with pytest.warns(UserWarning, match="valid feature names"):
        ours.predict(X)
    with pytest.raises(ValueError, match="feature names should match"):
        ours.predict(table[table.columns[::-1]])


@pytest.mark.parametrize("name", ["polars", "torch"])
def test_polars_and_torch_data_are_accepted(name: str) -> None:
    there = pytest.importorskip(name).from_numpy(X)
    ours, _ = pair(MLPClassifier, there, Y)
    _, expected = pair(MLPClassifier, X, Y)
    assert_same(ours, expected)
    np.testing.assert_array_equal(ours.predict(there), expected.predict(X))


@pytest.mark.parametrize("ours", [MLPClassifier, MLPRegressor])
def test_dask_arrays_are_computed(ours: type) -> None:
    da = pytest.importorskip("dask.array")
    weights = np.linspace(1, 2, len(Y))
    lazy_X, lazy_y, lazy_weights = (da.from_array(a, chunks=7) for a in (X, Y, weights))
    found = ours(max_iter=3, random_state=0).fit(lazy_X, lazy_y, sample_weight=lazy_weights)
    expected = ours(max_iter=3, random_state=0).fit(X, Y, sample_weight=weights)
    assert_same(found, expected)
    score = expected.score(X, Y, sample_weight=weights)
    assert found.score(lazy_X, lazy_y, sample_weight=lazy_weights) == score
    unknown_length = lazy_y[lazy_y >= 0]
    assert_same(
        ours(max_iter=3, random_state=0).fit(X, unknown_length),
        ours(max_iter=3, random_state=0).fit(X, Y),
    )


def test_tensors_that_require_gradients_are_detached() -> None:
    torch = pytest.importorskip("torch")
    there, weights = torch.tensor(X, requires_grad=True), torch.ones(len(Y), requires_grad=True)
    ours = MLPClassifier(max_iter=3, random_state=0).fit(there, Y, sample_weight=weights)
    expected = MLPClassifier(max_iter=3, random_state=0).fit(X, Y, sample_weight=np.ones(len(Y)))
    assert_same(ours, expected)
    np.testing.assert_array_equal(ours.predict_proba(there), expected.predict_proba(X))
    assert ours.score(there, Y) == expected.score(X, Y)


# ---- arrays that are on a device already -----------------------------------------------

ELSEWHERE = [
    pytest.param("array_api_strict"),
    pytest.param("cupy", marks=pytest.mark.gpu),
]


@pytest.fixture(params=ELSEWHERE)
def elsewhere(request: pytest.FixtureRequest) -> Library:
    """Return a library whose arrays NumPy cannot read directly."""
    from tests.support.libraries import library

    return library(request.param)


@pytest.mark.parametrize("setting", ["as they come", "early stopping", "lbfgs", "sgd"])
def test_arrays_of_a_gpu_stay_there(elsewhere: Library, setting: str) -> None:
    there, labels, weights = (elsewhere.asarray(a) for a in (X, Y, WEIGHTS))
    ours = MLPClassifier(max_iter=4, random_state=0, **SETTINGS[setting])
    ours.fit(there, labels, weights)
    theirs = THEIRS[MLPClassifier](max_iter=4, random_state=0, **SETTINGS[setting])
    assert_same(ours, theirs.fit(X, Y, WEIGHTS), rtol=1e-7)
    for method in ("predict", "predict_proba", "predict_log_proba"):
        answer = getattr(ours, method)(there)
        assert elsewhere.owns(answer)
        expected = getattr(theirs, method)(X)
        np.testing.assert_allclose(elsewhere.to_numpy(answer), expected, atol=1e-6)
    assert ours.score(there, labels) == theirs.score(X, Y)
    assert isinstance(ours.predict(X), np.ndarray)


@pytest.mark.parametrize("setting", ["as they come", "lbfgs", "sgd"])
def test_arrays_of_a_device_without_float64_are_computed_in_float32(setting: str) -> None:
    elsewhere = without_float64()
    there, rows = elsewhere.asarray(X, "float32"), X.astype(np.float32)
    for kind, targets in ((MLPClassifier, Y.astype(float)), (MLPRegressor, Y * 1.5)):
        ours, expected = (kind(max_iter=4, random_state=0, **SETTINGS[setting]) for _ in range(2))
        ours.fit(there, targets, WEIGHTS)
        expected.fit(rows, targets, WEIGHTS)
        answer = ours.predict(there)
        assert (elsewhere.owns(answer), answer.dtype) == (True, elsewhere.xp.float32)
        np.testing.assert_allclose(
            elsewhere.to_numpy(answer), expected.predict(rows), rtol=1e-3, atol=1e-5
        )


def test_labels_and_outputs_of_every_kind_may_be_on_a_gpu(elsewhere: Library) -> None:
    there = elsewhere.asarray(X)
    for target in ("two classes", "words", "multilabel"):
        ours, theirs = pair(MLPClassifier, X, TARGETS[target])
        proba = elsewhere.to_numpy(ours.predict_proba(there))
        np.testing.assert_allclose(proba, theirs.predict_proba(X), atol=1e-9)
        labels = ours.predict(there)
        on_host = labels if target == "words" else elsewhere.to_numpy(labels)
        np.testing.assert_array_equal(on_host, theirs.predict(X))
    for target, numbers in NUMBERS.items():
        ours, theirs = pair(MLPRegressor, X, numbers)
        fitted = MLPRegressor(max_iter=8, random_state=4).fit(there, elsewhere.asarray(numbers))
        assert_same(fitted, theirs, rtol=1e-7)
        np.testing.assert_allclose(elsewhere.to_numpy(ours.predict(there)), theirs.predict(X))
        assert ours.score(there, elsewhere.asarray(numbers)) == pytest.approx(
            theirs.score(X, numbers)
        ), target


def test_whole_numbers_on_a_gpu_are_converted_to_float32(elsewhere: Library) -> None:
    whole = (X * 16).astype(np.uint8)
    ours = MLPClassifier(max_iter=2, random_state=0).fit(elsewhere.asarray(whole), Y)
    assert ours.coefs_[0].dtype == np.float32
    expected, _ = pair(MLPClassifier, whole.astype(np.float32), Y, max_iter=2, random_state=0)
    assert_same(ours, expected, rtol=1e-4)


def test_invalid_data_on_a_gpu_are_reported(elsewhere: Library) -> None:
    bad = X.copy()
    bad[3, 3] = np.inf
    with pytest.raises(DataError, match="NaN or infinity"):
        MLPClassifier().fit(elsewhere.asarray(bad), Y)
    ours = MLPClassifier(max_iter=1).fit(X, Y)
    with pytest.raises(ValueError, match="X has 3 features, but MLPClassifier is expecting 64"):
        ours.predict(elsewhere.asarray(X[:, :3]))
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        MLPClassifier().fit(elsewhere.asarray(X), Y[:-1])


# ---- in scikit-learn's company ---------------------------------------------------------


def test_it_works_in_scikit_learn_s_tools() -> None:
    estimator = MLPClassifier((16,), solver="lbfgs", max_iter=30, random_state=0)
    grid = GridSearchCV(
        make_pipeline(StandardScaler(), estimator),
        {"mlpclassifier__alpha": [1e-4, 1.0], "mlpclassifier__device": ["cpu", None]},
        cv=2,
        n_jobs=2,
    ).fit(X, Y)
    assert grid.best_score_ > 0.7
    assert cross_val_score(estimator, X, Y, cv=3).mean() > 0.7
    calibrated = CalibratedClassifierCV(estimator, cv=2).fit(X, Y)
    np.testing.assert_allclose(calibrated.predict_proba(X).sum(axis=1), 1)
    copy = clone(MLPClassifier(device="cuda", alpha=7))
    assert (copy.device, copy.alpha) == ("cuda", 7)
    assert "device='cuda'" in repr(copy)


def test_a_model_trained_on_a_gpu_works_without_one(monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, None)
    for device in ("cuda", "cuda:7"):
        fitted, expected = pair(MLPClassifier, X, Y)
        fitted.device = device  # As if it had been trained there.
        there = pickle.loads(pickle.dumps(fitted))
        with pytest.warns(FallbackWarning, match="Using the CPU"):
            labels = there.predict(X)
        np.testing.assert_array_equal(labels, expected.predict(X))


@pytest.mark.parametrize("target", ["ten classes", "two classes"])
def test_a_classifier_becomes_a_model(target: str) -> None:
    fitted, _ = pair(MLPClassifier, X, TARGETS[target].astype(int))
    model = from_sklearn(fitted)
    probabilities = predict_proba(model, X, select_backend("cpu"))
    np.testing.assert_allclose(probabilities, fitted.predict_proba(X), atol=1e-12)


def test_every_parameter_of_scikit_learn_exists_with_its_default() -> None:
    for ours, theirs in THEIRS.items():
        parameters = theirs().get_params()
        assert ours().get_params() == parameters | dict.fromkeys(OURS)
        text = ours.__doc__ or ""
        assert all(name in text for name in [*parameters, *OURS])
        assert [*inspect.signature(ours).parameters][-3:] == list(OURS)
        with pytest.raises(TypeError, match="unexpected keyword argument 'hidden'"):
            ours(hidden=3)


@pytest.mark.parametrize("module", [classifier, regressor])
def test_the_examples_are_right(module: Any) -> None:
    outcome = doctest.testmod(module, optionflags=doctest.ELLIPSIS)
    assert outcome.attempted
    assert not outcome.failed


@pytest.mark.parametrize("ours", THEIRS)
def test_scikit_learn_s_examples_print_the_same_output(ours: type) -> None:
    printed = []
    for kind in (ours, THEIRS[ours]):
        example = doctest.DocTestFinder().find(THEIRS[ours], "example")[0]
        example.examples = [
            e for e in example.examples if f"import {ours.__name__}" not in e.source
        ]
        for one in example.examples:
            one.want = ""  # So that all output is reported.
        example.globs = {ours.__name__: kind}
        lines: list[str] = []
        doctest.DocTestRunner(verbose=False).run(example, out=lines.append)
        printed.append("".join(lines))
    assert printed[0].count("Failed example") >= 3
    assert "Traceback" not in printed[0]
    number = r"\d+\.\d+"
    assert re.sub(number, "x", printed[0]) == re.sub(number, "x", printed[1])
    numbers = [np.array(re.findall(number, text), float) for text in printed]
    np.testing.assert_allclose(numbers[0], numbers[1], rtol=1e-8)


def test_data_larger_than_a_shard(monkeypatch: pytest.MonkeyPatch) -> None:
    big = make_classification(5000, 12, n_informative=6, n_classes=3, random_state=0)
    for settings in ({"batch_size": 4500}, {"solver": "lbfgs"}):
        assert_same(*pair(MLPClassifier, *big, max_iter=3, **settings), rtol=1e-7)
    numbers = make_regression(5000, 9, random_state=0)
    assert_same(*pair(MLPRegressor, *numbers, max_iter=3, batch_size=4500), rtol=1e-7)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("target", ["ten classes", "two classes", "multilabel"])
def test_losses_use_clipped_probabilities_as_in_scikit_learn(target: str, dtype: type) -> None:
    """For unscaled data, where networks are confident and wrong; stopping depends on it."""
    ours, theirs = pair(MLPClassifier, (X * 400).astype(dtype), TARGETS[target])
    np.testing.assert_allclose(ours.loss_curve_, theirs.loss_curve_, rtol=1e-4)


def test_lbfgs_clips_its_losses_too() -> None:
    assert_same(*pair(MLPClassifier, X * 400, Y, solver="lbfgs", max_iter=3), rtol=1e-6)


CHANGES: dict[str, tuple[str, dict[str, Any]]] = {
    "betas": ("adam", {"beta_1": 0.1, "beta_2": 0.5, "epsilon": 1e-2}),
    "momentum": ("sgd", {"momentum": 0.1, "nesterovs_momentum": False}),
    "to sgd": ("adam", {"solver": "sgd"}),
    "to adam": ("sgd", {"solver": "adam"}),
}


@pytest.mark.parametrize("name", CHANGES)
def test_partial_fit_keeps_its_first_optimizer_as_in_scikit_learn(name: str) -> None:
    solver, change = CHANGES[name]
    ours, theirs = (
        kind(solver=solver, random_state=1).partial_fit(X, Y, classes=range(10))
        for kind in (MLPClassifier, THEIRS[MLPClassifier])
    )
    for one in (ours, theirs):
        one.set_params(**change).partial_fit(X, Y)
    assert_same(ours, theirs)


def test_a_warm_start_after_early_stopping_matches_scikit_learn() -> None:
    settings = {"warm_start": True, "early_stopping": True, "max_iter": 5, "random_state": 1}
    ours, theirs = pair(MLPClassifier, X[:300], Y[:300], hidden_layer_sizes=(8,), **settings)
    assert_same(ours.fit(X[:300], Y[:300]), theirs.fit(X[:300], Y[:300]))


def test_parameters_keep_their_dtype_when_data_change_theirs() -> None:
    ours, theirs = pair(MLPClassifier, X.astype(np.float32), Y, warm_start=True)
    assert_same(ours.fit(X, Y), theirs.fit(X, Y), rtol=1e-4)


def test_a_weight_may_be_a_numpy_scalar() -> None:
    for weight in (2.0, np.float64(2)):
        assert_same(*pair(MLPClassifier, X, Y, weight))


def test_fits_in_threads_restore_scipy_s_number_of_threads() -> None:
    from threadpoolctl import threadpool_info

    from mnn_gpu.estimators.lbfgs_fit import scipys_own_blas_single_threaded

    def threads() -> list[int]:
        return [library["num_threads"] for library in threadpool_info()]

    with threadpool_limits(limits=2):
        before = threads()
        one, other = scipys_own_blas_single_threaded(), scipys_own_blas_single_threaded()
        one.__enter__()
        other.__enter__()
        one.__exit__(None, None, None)
        other.__exit__(None, None, None)
        assert threads() == before


@pytest.mark.parametrize("kind", THEIRS)
def test_the_html_links_to_scikit_learn_s_documentation(kind: Any) -> None:
    link = kind()._get_doc_link()
    assert link == THEIRS[kind]()._get_doc_link()
    assert link in kind()._repr_html_()


OF_TYPES: dict[str, tuple[type, npt.NDArray[Any]]] = {
    "two classes": (MLPClassifier, Y > 4),
    "ten classes": (MLPClassifier, Y),
    "numbers": (MLPRegressor, X[:, :2]),
    "float32 numbers": (MLPRegressor, X[:, 20].astype(np.float32)),
    "counts": (MLPRegressor, Y),
}
WEIGHT_TYPES: dict[str, tuple[Any, ...]] = {
    "no weights": (),
    "float64 weights": (WEIGHTS,),
}


def types(value: Any) -> Any:
    """Return the types of an attribute and of its elements."""
    if isinstance(value, list | tuple):
        return type(value), [types(of) for of in value]
    return type(value), getattr(value, "dtype", None)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("weights", WEIGHT_TYPES)
@pytest.mark.parametrize("target", OF_TYPES)
@pytest.mark.parametrize(
    "settings",
    [{}, {"early_stopping": True}, {"solver": "sgd"}, {"solver": "lbfgs"}],
    ids=["adam", "early stopping", "sgd", "lbfgs"],
)
def test_attributes_have_the_same_types_as_in_scikit_learn(
    settings: dict[str, Any], target: str, weights: str, dtype: type
) -> None:
    ours, y = OF_TYPES[target]
    fit = X[:40].astype(dtype), y[:40], *(of[:40] for of in WEIGHT_TYPES[weights])
    mine, theirs = pair(ours, *fit, hidden_layer_sizes=(4,), max_iter=2, **settings)
    for name in (*ATTRIBUTES, "coefs_", "intercepts_", "_no_improvement_count"):
        assert types(getattr(mine, name, None)) == types(getattr(theirs, name, None)), name
