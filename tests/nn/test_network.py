"""The network on every array library: formulas, edge cases and properties."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mnn_gpu.nn import activations, network
from mnn_gpu.nn.losses import cross_entropy
from mnn_gpu.nn.parameters import (
    flatten,
    init_parameters,
    parameter_count,
    unflatten,
    weight_mask,
)
from mnn_gpu.utils.choices import INITS
from tests.support import oracle
from tests.support.libraries import Library

SIZES = [(5, 3), (4, 6, 3), (7, 5, 4, 3), (3, 4, 4, 4, 2), (1, 1, 1)]


def problem(sizes: tuple[int, ...], m: int, seed: int = 0) -> tuple[Any, Any, Any]:
    """Return host layers, X (features, m) and labels (m,)."""
    rng = np.random.default_rng(seed)
    layers = init_parameters(sizes, rng)
    return layers, rng.random((sizes[0], m)), rng.integers(0, sizes[-1], m)


def on(lib: Library, layers: Any) -> Any:
    return [(lib.asarray(W), lib.asarray(b)) for W, b in layers]


@pytest.mark.parametrize("sizes", SIZES)
def test_loss_and_gradient_equal_the_oracles(lib: Library, sizes: tuple[int, ...]) -> None:
    layers, X, labels = problem(sizes, m=9)
    expected_loss, expected = oracle.mean_gradient(layers, X, labels)

    mine, X_there = on(lib, layers), lib.asarray(X)
    Y = network.one_hot(lib.asarray(labels), sizes[-1], lib.xp.float64)
    Z, A = network.forward(mine, X_there)
    gradient = network.backward(mine, Z, A, X_there, Y)
    loss, _ = cross_entropy(Z[-1], Y)

    assert float(loss) / 9 == pytest.approx(expected_loss, rel=1e-12)
    for (dW, db), (dW_expected, db_expected) in zip(gradient, expected, strict=True):
        np.testing.assert_allclose(lib.to_numpy(dW) / 9, dW_expected, rtol=1e-11, atol=1e-14)
        np.testing.assert_allclose(lib.to_numpy(db) / 9, db_expected, rtol=1e-11, atol=1e-14)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_results_keep_device_and_dtype(lib: Library, dtype: str) -> None:
    host, X, labels = problem((6, 5, 4, 3), m=4)
    layers = [(lib.asarray(W, dtype), lib.asarray(b, dtype)) for W, b in host]
    X = lib.asarray(X, dtype)
    Y = network.one_hot(lib.asarray(labels), 3, X.dtype)
    Z, A = network.forward(layers, X)
    gradient = network.backward(layers, Z, A, X, Y)
    theta = flatten(layers)
    loss, correct = cross_entropy(Z[-1], Y)
    floats = [*Z, *A, *[a for layer in gradient for a in layer], theta, loss, Y]
    floats += [a for layer in unflatten(theta, (6, 5, 4, 3)) for a in layer]
    floats.append(network.update(theta, flatten(gradient), 0.1))
    for array in floats:
        assert lib.owns(array)
        assert array.dtype == getattr(lib.xp, dtype)
    assert lib.owns(correct)
    assert lib.owns(network.predict(A[-1]))


def test_float32_agrees_with_float64_on_a_network_of_realistic_size(lib: Library) -> None:
    layers, X, labels = problem((784, 10, 10, 10), m=16)
    losses = []
    for dtype in ("float32", "float64"):
        mine = [(lib.asarray(W, dtype), lib.asarray(b, dtype)) for W, b in layers]
        Z, _ = network.forward(mine, lib.asarray(X, dtype))
        Y = network.one_hot(lib.asarray(labels), 10, Z[-1].dtype)
        losses.append(float(cross_entropy(Z[-1], Y)[0]))
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)


def test_unflatten_inverts_flatten(lib: Library) -> None:
    sizes = (7, 5, 4, 3)
    host, _, _ = problem(sizes, m=1)
    theta = flatten(on(lib, host))
    assert theta.shape == (parameter_count(sizes),)
    for (W, b), (W_host, b_host) in zip(unflatten(theta, sizes), host, strict=True):
        np.testing.assert_array_equal(lib.to_numpy(W), W_host)
        np.testing.assert_array_equal(lib.to_numpy(b), b_host)


def test_layers_of_a_numpy_vector_are_views_of_it() -> None:
    theta = np.zeros(parameter_count((3, 2, 2)))
    for W, b in unflatten(theta, (3, 2, 2)):
        assert np.shares_memory(W, theta)
        assert np.shares_memory(b, theta)


def test_the_notebooks_network_has_8070_parameters_with_its_variances() -> None:
    assert parameter_count((784, 10, 10, 10)) == 8070
    rng = np.random.default_rng(0)
    draws = [init_parameters((784, 10, 10, 10), rng) for _ in range(300)]
    variances = [[np.var([draw[l][k] for draw in draws]) for k in (0, 1)] for l in range(3)]
    expected = [[1 / 784, 1 / 10], [1 / 20, 1 / 10], [1 / 20, 1 / 784]]
    np.testing.assert_allclose(variances, expected, rtol=0.1)


VARIANCES: dict[str, list[tuple[float, float]]] = {
    # Weights and biases of each layer of 5-4-3-2: inputs, outputs and features.
    "notebook": [(1 / 5, 1 / 4), (1 / 7, 1 / 3), (1 / 5, 1 / 5)],
    "he": [(2 / 5, 0), (2 / 4, 0), (2 / 3, 0)],
    "glorot": [(2 / 9, 0), (2 / 7, 0), (2 / 5, 0)],
}


@pytest.mark.parametrize("init", INITS)
def test_initial_parameters_are_normal_with_the_documented_variances(init: str) -> None:
    draws, normal = np.random.default_rng(3), np.random.default_rng(3)
    layers = init_parameters((5, 4, 3, 2), draws, init)
    assert [W.shape for W, _ in layers] == [(4, 5), (3, 4), (2, 3)]
    for (W, b), (of_W, of_b) in zip(layers, VARIANCES[init], strict=True):
        np.testing.assert_array_equal(W, normal.standard_normal(W.shape) * np.sqrt(of_W))
        np.testing.assert_array_equal(b, normal.standard_normal((len(W), 1)) * np.sqrt(of_b))


def test_the_mask_is_1_for_weights_and_0_for_biases(lib: Library) -> None:
    theta = lib.asarray(np.arange(14.0))
    mask = weight_mask(theta, (3, 2, 2))
    assert lib.owns(mask)
    assert mask.dtype == theta.dtype
    np.testing.assert_array_equal(lib.to_numpy(mask), [1] * 6 + [0] * 2 + [1] * 4 + [0] * 2)


def test_relu_and_its_derivative(lib: Library) -> None:
    Z = lib.asarray([[-2.0, 0.0, 3.0]])
    np.testing.assert_array_equal(lib.to_numpy(activations.relu(Z)), [[0, 0, 3]])
    np.testing.assert_array_equal(lib.to_numpy(activations.relu_grad(Z)), [[0, 0, 1]])


@pytest.mark.parametrize("size", [1.0, 1e3, 1e30, 1e300])
def test_softmax_and_loss_are_finite_for_logits_of_any_size(lib: Library, size: float) -> None:
    Z = lib.asarray([[size, -size], [0.0, 0.0], [-size, size]])
    A = lib.to_numpy(activations.softmax(Z))
    np.testing.assert_allclose(A.sum(axis=0), 1)
    assert np.isfinite(A).all()
    Y = network.one_hot(lib.asarray([2, 2]), 3, lib.xp.float64)
    loss, correct = cross_entropy(Z, Y)
    assert np.isfinite(float(loss))
    assert int(correct) == 1


@given(st.lists(st.floats(-50, 50), min_size=2, max_size=6), st.floats(-100, 100))
@settings(deadline=None)
def test_softmax_is_invariant_to_a_shift_of_all_logits(column: list[float], shift: float) -> None:
    Z = np.array(column)[:, None]
    np.testing.assert_allclose(activations.softmax(Z + shift), activations.softmax(Z), atol=1e-12)


@pytest.mark.parametrize("dtype", ["uint8", "int32", "uint64"])
def test_one_hot_has_a_row_for_absent_classes(lib: Library, dtype: str) -> None:
    if lib.name == "torch" and dtype == "uint64":
        pytest.skip("not all versions of torch compare uint64")
    Y = network.one_hot(lib.asarray([0, 2, 0], dtype), 5, lib.xp.float32)
    expected = [[1, 0, 1], [0, 0, 0], [0, 1, 0], [0, 0, 0], [0, 0, 0]]
    np.testing.assert_array_equal(lib.to_numpy(Y), expected)


@pytest.mark.parametrize("dtype", ["uint8", "int32", "int64"])
def test_pixels_are_divided_by_255_and_floats_are_unchanged(lib: Library, dtype: str) -> None:
    pixels = lib.asarray([[0, 51, 255]], dtype)
    unit = lib.to_numpy(network.scale_pixels(pixels, lib.xp.float32))
    np.testing.assert_allclose(unit, [[0, 0.2, 1]], rtol=1e-6)
    floats = lib.asarray([[0.0, 0.5, 1.0]], "float64")
    unit = network.scale_pixels(floats, lib.xp.float32)
    assert unit.dtype == lib.xp.float32
    np.testing.assert_array_equal(lib.to_numpy(unit), [[0, 0.5, 1]])


def test_floats_are_not_copied() -> None:
    X = np.array([[0.0, 0.5, 1.0]], np.float32)
    assert np.shares_memory(network.scale_pixels(X, np.float32), X)


@pytest.mark.parametrize("dtype", ["uint8", "float32"])
def test_a_scale_applies_to_pixels_and_to_floats(lib: Library, dtype: str) -> None:
    X = lib.asarray([[0, 51, 255]], "uint8") if dtype == "uint8" else lib.asarray([[0, 0.2, 1.0]])
    scaled = network.scale_pixels(X, lib.xp.float32, 2.5)
    np.testing.assert_allclose(lib.to_numpy(scaled), [[0, 0.5, 2.5]], rtol=1e-6)


def test_a_step_of_gradient_descent_subtracts_alpha_times_the_gradient(lib: Library) -> None:
    after = network.update(lib.asarray([1.0, -2.0, 0.0]), lib.asarray([4.0, -4.0, 1.0]), 0.25)
    np.testing.assert_array_equal(lib.to_numpy(after), [0, -1, -0.25])


def test_predict_returns_the_index_of_the_largest_output(lib: Library) -> None:
    A = lib.asarray([[0.1, 0.6], [0.7, 0.3], [0.2, 0.1]])
    np.testing.assert_array_equal(lib.to_numpy(network.predict(A)), [1, 0])


def test_a_prediction_is_correct_if_its_label_has_the_largest_output(lib: Library) -> None:
    layers, X, labels = problem((6, 5, 4), m=200, seed=3)
    Z, A = network.forward(on(lib, layers), lib.asarray(X))
    Y = network.one_hot(lib.asarray(labels), 4, lib.xp.float64)
    predictions = lib.to_numpy(network.predict(A[-1]))
    assert int(cross_entropy(Z[-1], Y)[1]) == int((predictions == labels).sum())


@given(st.integers(0, 2**32), st.integers(1, 8))
@settings(deadline=None, max_examples=30)
def test_the_order_of_samples_and_of_hidden_units_does_not_matter(seed: int, m: int) -> None:
    layers, X, labels = problem((6, 5, 3), m, seed)
    rng = np.random.default_rng(seed)
    samples, units = rng.permutation(m), rng.permutation(5)
    (W1, b1), (W2, b2) = layers

    def loss(layers: Any, X: Any, labels: Any) -> float:
        Z, _ = network.forward(layers, X)
        return float(cross_entropy(Z[-1], network.one_hot(labels, 3, X.dtype))[0])

    expected = loss(layers, X, labels)
    permuted = [(W1[units], b1[units]), (W2[:, units], b2)]
    assert loss(layers, X[:, samples], labels[samples]) == pytest.approx(expected, rel=1e-12)
    assert loss(permuted, X, labels) == pytest.approx(expected, rel=1e-12)
