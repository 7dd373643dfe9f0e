"""The drop-in for the notebook's cells, on every array library."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from mnn_gpu import UsageError, notebook
from tests import oracle
from tests.libraries import Library


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
    """The notebook's own lines, with its db; softmax and one_hot as it has them."""
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


def test_one_iteration_is_the_notebooks_to_12_digits(lib: Library, batch: Any) -> None:
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
        # The notebook sums db over the units as well; ours is one value a unit.
        assert db.shape == (10, 1)
        assert float(lib.to_numpy(db).sum()) == pytest.approx(db_wanted, abs=1e-15)
    updated = notebook.update_params(*parameters, *gradients, 0.1)
    for new, old, dW_wanted in zip(updated[::2], host[::2], expected[::2], strict=True):
        assert relative(lib.to_numpy(new), old - 0.1 * dW_wanted) < 1e-12


def test_bias_gradients_are_those_of_the_oracle(lib: Library, batch: Any) -> None:
    X, Y, X_host = batch
    _, expected = oracle.mean_gradient(pairs(notebook.init_params()), X_host, lib.to_numpy(Y))
    parameters = notebook.init_params(like=X)
    activations = notebook.forward_prop(*parameters, X)
    gradients = notebook.back_prop(*activations, *parameters[::2], X, Y)
    for actual, wanted in zip(gradients, [a for pair in expected for a in pair], strict=True):
        assert relative(lib.to_numpy(actual), wanted) < 1e-12


def test_gradient_descent_follows_the_oracle(
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


def test_integer_pixels_are_refused_with_the_cure(lib: Library) -> None:
    with pytest.raises(UsageError, match="Divide the pixels by 255"):
        notebook.gradient_descent(lib.asarray([[0, 255]]), lib.asarray([0, 1]), 1, 0.1)


def test_the_seed_decides_the_parameters() -> None:
    first, again, other = (notebook.init_params(seed=s)[0] for s in (5, 5, 6))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)
