"""The functions of the notebook, on every array library."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mnn_gpu import UsageError, notebook
from tests.support import oracle
from tests.support.libraries import Library, without_float64


@pytest.fixture
def batch(lib: Library) -> tuple[Any, Any, Any]:
    rng = np.random.default_rng(1)
    X = rng.random((784, 12))
    return lib.asarray(X), lib.asarray(rng.integers(0, 10, 12)), X


def pairs(arrays: Any) -> list[tuple[Any, Any]]:
    return list(zip(arrays[::2], arrays[1::2], strict=True))


def relative(actual: Any, expected: Any) -> float:
    return float(np.linalg.norm(actual - expected) / np.linalg.norm(expected))


def notebook_formulas(parameters: Any, X: Any, Y: Any) -> tuple[list[Any], list[Any]]:
    """The notebook's original lines, with its db, softmax and one_hot."""
    W1, b1, W2, b2, W3, b3 = parameters
    m = Y.size
    Z1 = W1.dot(X) + b1
    A1 = np.maximum(Z1, 0)
    Z2 = W2.dot(A1) + b2
    A2 = np.maximum(Z2, 0)
    Z3 = W3.dot(A2) + b3
    A3 = np.exp(Z3) / sum(np.exp(Z3))
    hot = np.zeros((m, 10))
    hot[np.arange(m), Y] = 1
    dZ3 = A3 - hot.T
    dW3 = 1 / m * dZ3.dot(A2.T)
    db3 = 1 / m * np.sum(dZ3)
    dZ2 = W3.T.dot(dZ3) * (Z2 > 0)
    dW2 = 1 / m * dZ2.dot(A1.T)
    db2 = 1 / m * np.sum(dZ2)
    dZ1 = W2.T.dot(dZ2) * (Z1 > 0)
    dW1 = 1 / m * dZ1.dot(X.T)
    db1 = 1 / m * np.sum(dZ1)
    return [Z1, A1, Z2, A2, Z3, A3], [dW1, db1, dW2, db2, dW3, db3]


def test_one_iteration_equals_the_notebooks_to_12_digits(lib: Library, batch: Any) -> None:
    X, Y, X_host = batch
    host = notebook.init_params()
    activations_expected, expected = notebook_formulas(host, X_host, lib.to_numpy(Y))

    parameters = notebook.init_params(like=X)
    activations = notebook.forward_prop(*parameters, X)
    for actual, wanted in zip(activations, activations_expected, strict=True):
        assert relative(lib.to_numpy(actual), wanted) < 1e-12
    gradients = notebook.back_prop(*activations, *parameters[::2], X, Y)
    for (dW, db), (dW_wanted, db_wanted) in zip(pairs(gradients), pairs(expected), strict=True):
        assert relative(lib.to_numpy(dW), dW_wanted) < 1e-12
        # The notebook also sums db over the units; here it has one value per unit.
        assert db.shape == (10, 1)
        assert float(lib.to_numpy(db).sum()) == pytest.approx(db_wanted, abs=1e-15)
    updated = notebook.update_params(*parameters, *gradients, 0.1)
    for new, old, dW_wanted in zip(updated[::2], host[::2], expected[::2], strict=True):
        assert relative(lib.to_numpy(new), old - 0.1 * dW_wanted) < 1e-12


def test_bias_gradients_equal_the_oracles(lib: Library, batch: Any) -> None:
    X, Y, X_host = batch
    _, expected = oracle.mean_gradient(pairs(notebook.init_params()), X_host, lib.to_numpy(Y))
    parameters = notebook.init_params(like=X)
    activations = notebook.forward_prop(*parameters, X)
    gradients = notebook.back_prop(*activations, *parameters[::2], X, Y)
    for actual, wanted in zip(gradients, [a for pair in expected for a in pair], strict=True):
        assert relative(lib.to_numpy(actual), wanted) < 1e-12


def test_gradient_descent_equals_the_oracle(
    lib: Library, batch: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    X, Y, X_host = batch
    host = pairs(notebook.init_params(seed=4))
    expected = oracle.iterate(host, X_host, lib.to_numpy(Y), iterations=5, alpha=0.3)
    parameters = notebook.gradient_descent(X, Y, 5, 0.3, seed=4)
    for (W, b), (W_wanted, b_wanted) in zip(pairs(parameters), expected, strict=True):
        assert relative(lib.to_numpy(W), W_wanted) < 1e-12
        assert relative(lib.to_numpy(b), b_wanted) < 1e-12
    assert "Iteration: 5  accuracy: " in capsys.readouterr().out


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_arrays_keep_their_library_device_and_dtype(lib: Library, dtype: str) -> None:
    X = lib.asarray(np.random.default_rng(0).random((784, 4)), dtype)
    Y = lib.asarray([3, 1, 4, 1])
    parameters = notebook.init_params(like=X)
    activations = notebook.forward_prop(*parameters, X)
    gradients = notebook.back_prop(*activations, *parameters[::2], X, Y)
    updated = notebook.update_params(*parameters, *gradients, 0.1)
    for array in (*parameters, *activations, *gradients, *updated):
        assert lib.owns(array)
        assert array.dtype == X.dtype


def test_predictions_and_accuracy(lib: Library) -> None:
    A3 = lib.asarray([[0.9, 0.2, 0.3], [0.1, 0.8, 0.7]])
    predictions = notebook.get_predictions(A3)
    np.testing.assert_array_equal(lib.to_numpy(predictions), [0, 1, 1])
    assert notebook.get_accuracy(predictions, lib.asarray([0, 1, 0])) == pytest.approx(2 / 3)
    X = lib.asarray(np.random.default_rng(0).random((784, 4)))
    assert notebook.make_predictions(X, *notebook.init_params(like=X)).shape == (4,)


def test_relu_softmax_and_one_hot(lib: Library) -> None:
    Z = lib.asarray([[-1.0, 2.0], [3.0, -4.0]])
    np.testing.assert_array_equal(lib.to_numpy(notebook.ReLU(Z)), [[0, 2], [3, 0]])
    np.testing.assert_array_equal(
        lib.to_numpy(notebook.deriv_ReLU(Z)), [[False, True], [True, False]]
    )
    np.testing.assert_allclose(lib.to_numpy(notebook.softmax(Z)).sum(axis=0), 1)
    hot = notebook.one_hot(lib.asarray([0, 3]))
    assert hot.shape == (10, 2)
    np.testing.assert_array_equal(lib.to_numpy(hot)[:4], [[1, 0], [0, 0], [0, 0], [0, 1]])


def test_labels_are_one_hot_in_float32_on_a_device_without_float64() -> None:
    there = without_float64()
    hot = notebook.one_hot(there.asarray([3, 0]))
    assert hot.dtype == there.xp.float32
    np.testing.assert_array_equal(there.to_numpy(hot).argmax(axis=0), [3, 0])


def test_integer_pixels_are_refused_with_the_cure(lib: Library) -> None:
    with pytest.raises(UsageError, match="Divide the pixels by 255"):
        notebook.gradient_descent(lib.asarray([[0, 255]]), lib.asarray([0, 1]), 1, 0.1)


def test_the_seed_determines_the_parameters() -> None:
    first, again, other = (notebook.init_params(seed=s)[0] for s in (5, 5, 6))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


# ---- common mistakes in cells ----------------------------------------------------------


def digits(m: int = 30) -> tuple[Any, Any]:
    """X, (784, m) from 0 to 1, and Y, (m,), with all ten classes."""
    return np.random.default_rng(3).random((784, m)), np.arange(m) % 10


@pytest.mark.parametrize(
    ("mistake", "cause", "cure"),
    [
        (lambda X, Y: (X * 255, Y), "from 0.* to 25", "X / 255"),
        (lambda X, Y: (X / 255, Y), "to 0.0039", "only once"),
        (lambda X, Y: (X > 0.5, Y), "X is .*bool", "floats"),
        (lambda X, Y: ((X * 255).astype(int), Y), "X is .*int64", "Divide the pixels"),
        (lambda X, Y: (X * 16, Y), "from 0.* to 1[56]", "maximum pixel value"),
        (lambda X, Y: (X * 255 - 128, Y), "from -12", "X / 255"),
        (lambda X, Y: (np.where(X > 0.99, np.nan, X), Y), "NaN or infinity", "missing"),
        (lambda X, Y: (X * np.inf, Y), "NaN or infinity", "missing"),
        (lambda X, Y: (X.T, Y), r"shape \(30, 784\)", r"X\.T"),
        (lambda X, Y: (np.vstack([Y, X]), Y), r"shape \(785, 30\)", r"X\[1:\]"),
        (lambda X, Y: (np.vstack([Y, X]).T, Y), r"shape \(30, 785\)", r"X\[:, 1:\]\.T"),
        (lambda X, Y: (X.T.reshape(30, 28, 28), Y), r"\(30, 28, 28\)", r"reshape\(len\(X\), -1\)"),
        (lambda X, Y: (X[:, 0], Y), r"shape \(784,\)", r"X\[:, None\]"),
        (lambda X, Y: (X[:100], Y), r"shape \(100, 30\)", "as many features as W1 has columns"),
        (lambda X, Y: (X[:, :0], Y[:0]), r"shape \(784, 0\)", "at least one sample"),
        (lambda X, Y: (X, Y + 1), "labels range from 1 to 10", "Y - 1"),
        (lambda X, Y: (X, Y - 1), "labels range from -1 to 8", r"Y \+ 1"),
        (lambda X, Y: (X, np.arange(30) % 26), "from 0 to 25", "mnn_gpu.train"),
        (lambda X, Y: (X, Y / 255), "fractions", "not the labels"),
        (lambda X, Y: (X, np.where(Y == 3, np.nan, Y)), "from nan to nan", "other labels"),
        (lambda X, Y: (X, np.eye(10)[Y]), r"Y has shape \(30, 10\)", r"Y\.argmax\(1\)"),
        (lambda X, Y: (X, np.eye(10)[Y].T), r"Y has shape \(10, 30\)", r"Y\.argmax\(0\)"),
        (lambda X, Y: (X, Y[:-1]), "30 samples and 29 values", "one label per sample"),
    ],
)
def test_data_that_would_not_train_are_refused_with_the_cure(
    lib: Library, mistake: Any, cause: str, cure: str
) -> None:
    X, Y = map(lib.asarray, mistake(*digits()))
    with pytest.raises(UsageError, match=cause) as caught:
        notebook.gradient_descent(X, Y, 1, 0.1)
    assert re.search(cure, caught.value.cure)


@pytest.mark.parametrize(
    ("iterations", "alpha", "cure"),
    [
        (0.10, 100, r"iterations=100, alpha=0\.1"),
        (1, 500, "iterations=500, alpha=1"),
        (0.10, 100.0, "whole number"),
        ("10", 0.1, "whole number"),
        (-1, 0.1, "whole number"),
        (1, np.nan, "such as 0.1"),
        (1, "0.1", "such as 0.1"),
        (1, -0.1, "from 0"),
    ],
)
def test_swapped_or_impossible_settings_are_refused(iterations: Any, alpha: Any, cure: str) -> None:
    with pytest.raises(UsageError) as caught:
        notebook.gradient_descent(*digits(), iterations, alpha)
    assert re.search(cure, caught.value.cure)


def test_settings_may_have_numpy_types(lib: Library) -> None:
    X, Y = map(lib.asarray, digits(3))
    expected = notebook.gradient_descent(X, Y, 2, 0.5)
    iterations: Any = np.int64(2)
    actual = notebook.gradient_descent(X, Y, iterations, np.float64(0.5))
    for one, other in zip(actual, expected, strict=True):
        assert one.dtype == other.dtype
        np.testing.assert_array_equal(lib.to_numpy(one), lib.to_numpy(other))


@pytest.mark.parametrize(
    "change", [lambda Y: Y[:, None], lambda Y: Y[None], lambda Y: Y.astype(float)]
)
def test_labels_may_be_a_column_a_row_or_whole_floats(lib: Library, change: Any) -> None:
    X, Y = digits(12)
    expected = notebook.gradient_descent(lib.asarray(X), lib.asarray(Y), 2, 0.1)
    actual = notebook.gradient_descent(lib.asarray(X), lib.asarray(change(Y)), 2, 0.1)
    for one, other in zip(actual, expected, strict=True):
        np.testing.assert_array_equal(lib.to_numpy(one), lib.to_numpy(other))
    predictions = lib.asarray(np.where(Y == 3, 0, Y))
    assert notebook.get_accuracy(predictions, lib.asarray(change(Y))) == 11 / 12


def test_pandas_objects_and_lists_are_converted(lib: Library) -> None:
    """For example ``X, Y = frame.drop(columns="label").T / 255, frame["label"]``."""
    X, Y = digits(12)
    expected = notebook.gradient_descent(lib.asarray(X), lib.asarray(Y), 2, 0.1)
    series = pd.Series(Y, index=range(100, 112))
    for X_given, Y_given in (
        (lib.asarray(X), series),
        (lib.asarray(X), Y.tolist()),
        (lib.asarray(X), Y),
    ):
        actual = notebook.gradient_descent(X_given, Y_given, 2, 0.1)
        assert lib.owns(actual[0])
        np.testing.assert_array_equal(lib.to_numpy(actual[0]), lib.to_numpy(expected[0]))
    assert notebook.get_accuracy(lib.asarray(Y), series) == 1
    A3 = notebook.forward_prop(*expected, pd.DataFrame(X))[-1]
    assert lib.owns(A3)


def test_a_data_frame_trains_like_its_values() -> None:
    X, Y = digits(12)
    expected = notebook.gradient_descent(X, Y, 2, 0.1)
    actual = notebook.gradient_descent(pd.DataFrame(X), pd.Series(Y), 2, 0.1)
    np.testing.assert_array_equal(actual[0], expected[0])
    with pytest.raises(UsageError, match=r"shape \(12, 784\)"):
        notebook.gradient_descent(pd.DataFrame(X.T), pd.Series(Y), 2, 0.1)


def test_rows_of_different_lengths_are_refused() -> None:
    _, Y = digits(2)
    with pytest.raises(UsageError, match="X is not an array"):
        notebook.gradient_descent([[1], [1, 2]], Y, 2, 0.1)
    with pytest.raises(UsageError, match="predictions is not an array"):
        notebook.get_accuracy([[1], [1, 2]], Y)


def test_text_labels_are_refused() -> None:
    X, Y = digits(12)
    for text in (Y.astype(str), pd.Series(Y.astype(str)), Y.astype(str).tolist()):
        with pytest.raises(UsageError, match="Y is") as caught:
            notebook.get_accuracy(Y, text)
        assert "Y.astype(int)" in caught.value.cure
        with pytest.raises(UsageError, match="Y is"):
            notebook.gradient_descent(X, text, 1, 0.1)
    with pytest.raises(UsageError, match="predictions is"):
        notebook.get_accuracy(Y.astype(str), Y)


@pytest.mark.parametrize(
    ("predictions", "Y", "cause"),
    [
        (np.arange(5), np.eye(5), r"Y has shape \(5, 5\)"),
        (np.eye(5), np.arange(5), r"predictions has shape \(5, 5\)"),
        (np.arange(5), np.arange(4), "5 samples and 4 values"),
        (np.arange(5), np.arange(1), "5 samples and 1 values"),
        (np.arange(0), np.arange(0), "no predictions"),
    ],
)
def test_accuracy_refuses_values_that_cannot_be_compared(
    lib: Library, predictions: Any, Y: Any, cause: str
) -> None:
    with pytest.raises(UsageError, match=cause):
        notebook.get_accuracy(lib.asarray(predictions), lib.asarray(Y))


@given(st.integers(1, 400), st.data())
def test_accuracy_is_the_exact_ratio(m: int, data: Any) -> None:
    right = data.draw(st.integers(0, m))
    predictions = np.zeros(m, int)
    assert notebook.get_accuracy(predictions, np.arange(m) >= right) == right / m


def test_one_image_is_a_column(lib: Library) -> None:
    X, _ = digits(3)
    parameters = notebook.init_params(like=lib.asarray(X))
    for function in (
        lambda x: notebook.forward_prop(*parameters, x),
        lambda x: notebook.make_predictions(x, *parameters),
    ):
        with pytest.raises(UsageError, match=r"shape \(784,\)") as caught:
            function(lib.asarray(X[:, 0]))
        assert "X[:, None]" in caught.value.cure
    every = lib.to_numpy(notebook.make_predictions(lib.asarray(X), *parameters))
    one = notebook.make_predictions(lib.asarray(X[:, 1:2]), *parameters)
    assert lib.to_numpy(one).tolist() == [every[1]]


def test_pixels_that_are_not_divided_are_refused_for_prediction(lib: Library) -> None:
    X, _ = digits(3)
    parameters = notebook.init_params(like=lib.asarray(X))
    with pytest.raises(UsageError, match="ranges from"):
        notebook.make_predictions(lib.asarray(X * 255), *parameters)


def test_parameters_cannot_be_integers(lib: Library) -> None:
    with pytest.raises(UsageError, match="like is"):
        notebook.init_params(like=lib.asarray(np.arange(3)))


def test_one_hot_refuses_labels_beyond_its_classes(lib: Library) -> None:
    assert notebook.one_hot(lib.asarray([0, 25]), 26).shape == (26, 2)
    for labels, cure in (([1, 10], "Y - 1"), ([-1, 8], "Y + 1"), ([0, 25], "mnn_gpu.train")):
        with pytest.raises(UsageError, match="labels range from") as caught:
            notebook.one_hot(lib.asarray(labels))
        assert cure in caught.value.cure


def arrays_of(
    lib: Library, rng: np.random.Generator, shapes: list[tuple[int, int]]
) -> notebook.Six:
    W1, b1, W2, b2, W3, b3 = (lib.asarray(rng.normal(size=shape)) for shape in shapes)
    return W1, b1, W2, b2, W3, b3


def test_networks_of_any_size_classes_and_range_are_supported(lib: Library) -> None:
    """The sizes of a user's own network are not checked; only the shapes must match."""
    rng = np.random.default_rng(0)
    shapes = [(6, 4), (6, 1), (5, 6), (5, 1), (3, 5), (3, 1)]
    parameters = arrays_of(lib, rng, shapes)
    X, Y = lib.asarray(rng.normal(50, 100, (4, 9))), lib.asarray(np.arange(9) % 3)
    activations = notebook.forward_prop(*parameters, X)
    gradients = notebook.back_prop(*activations, *parameters[::2], X, Y)
    updated = notebook.update_params(*parameters, *gradients, 0.1)
    assert [tuple(array.shape) for array in updated] == shapes
    assert notebook.make_predictions(X, *updated).shape == (9,)
    with pytest.raises(UsageError, match=r"not \(4, m\)"):
        notebook.forward_prop(*parameters, lib.asarray(rng.normal(size=(9, 4))))


def test_standardized_inputs_train(lib: Library) -> None:
    """Mean 0 and standard deviation 1, with outliers."""
    X, Y = digits(50)
    X[0] = 0
    X[0, 7] = 1
    X = (X - X.mean(axis=1, keepdims=True)) / X.std(axis=1, keepdims=True)
    assert X.max() > 5
    notebook.gradient_descent(lib.asarray(X), lib.asarray(Y), 1, 0.1)


# ---- wrong order, wrong batch, wrong shape -------------------------------------------------


@pytest.fixture
def step(lib: Library, batch: Any) -> tuple[tuple[Any, ...], tuple[Any, ...], tuple[Any, ...]]:
    """Return parameters, the results of forward_prop, and the gradients."""
    X, Y, _ = batch
    parameters = notebook.init_params(like=X)
    activations = notebook.forward_prop(*parameters, X)
    return parameters, activations, notebook.back_prop(*activations, *parameters[::2], X, Y)


def test_parameters_in_another_order_are_refused(batch: Any, step: Any) -> None:
    X, Y, _ = batch
    (W1, b1, W2, b2, W3, b3), activations, gradients = step
    parameters = (W1, b1, W2, b2, W3, b3)
    for arguments in ((W1, W2, W3, b1, b2, b3, X), (b1, W1, b2, W2, b3, W3, X)):
        with pytest.raises(UsageError, match="has shape"):
            notebook.forward_prop(*arguments)
    with pytest.raises(UsageError, match="W2 has shape"):
        notebook.back_prop(*(*activations, W1, b1, W2, X, Y))
    with pytest.raises(UsageError, match="X has shape"):
        notebook.back_prop(*(*activations, W1, W2, W3, Y, X))
    with pytest.raises(UsageError, match="db1 has shape"):
        notebook.update_params(*(*parameters, *gradients[::2], *gradients[1::2], 0.1))


def test_activations_of_another_batch_are_refused(batch: Any, step: Any) -> None:
    X, Y, _ = batch
    parameters, activations, _ = step
    with pytest.raises(UsageError, match="Z1 has shape"):
        notebook.back_prop(*(*activations, *parameters[::2], X[:, :5], Y[:5]))


def test_biases_and_their_gradients_are_columns_or_single_values(
    lib: Library, batch: Any, step: Any
) -> None:
    X, _, _ = batch
    (W1, b1, *others), _, (dW1, db1, *more) = step
    xp = lib.xp
    with pytest.raises(UsageError, match="b1 has shape"):
        notebook.forward_prop(*(W1, xp.reshape(b1, (-1,)), *others, X))
    flat = (dW1, xp.reshape(db1, (-1,)), *more)
    with pytest.raises(UsageError, match="keepdims=True"):
        notebook.update_params(*(W1, b1, *others, *flat, 0.1))
    one = notebook.update_params(*(W1, b1, *others, dW1, xp.sum(db1), *more, 0.1))
    assert one[1].shape == b1.shape


@pytest.mark.parametrize("alpha", ["0.1", None, float("nan"), float("inf"), True])
def test_an_invalid_rate_is_refused(step: Any, alpha: Any) -> None:
    parameters, _, gradients = step
    with pytest.raises(UsageError, match="alpha is"):
        notebook.update_params(*(*parameters, *gradients, alpha))


@pytest.mark.parametrize("seed", ["a", None, 1.5, -1])
def test_a_seed_must_be_a_whole_number(seed: Any) -> None:
    with pytest.raises(UsageError, match="seed is"):
        notebook.init_params(seed=seed)


def test_fractions_are_refused_as_predictions(lib: Library) -> None:
    whole = lib.asarray(np.array([1.0, 2.0]))
    for other in ([0.9, 0.8], [np.nan, 1.0]):
        fractions = lib.asarray(np.array(other))
        for arguments in ((fractions, whole), (whole, fractions)):
            with pytest.raises(UsageError, match="contains fractions or NaN"):
                notebook.get_accuracy(*arguments)


def test_predictions_require_only_the_probabilities() -> None:
    parameters = notebook.init_params()
    everything = notebook.forward_prop(*parameters, np.zeros((784, 3)))
    with pytest.raises(UsageError, match=re.escape("forward_prop(...)[-1]")):
        notebook.get_predictions(everything)
    table = pd.DataFrame(everything[-1])
    np.testing.assert_array_equal(notebook.get_predictions(table), table.to_numpy().argmax(axis=0))
