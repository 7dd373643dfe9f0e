"""Properties of the mathematics for any data: symmetries, extreme values, edge cases."""

from __future__ import annotations

import subprocess
import sys
import tracemalloc
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mnn_gpu import TrainingConfig, predict_proba, select_backend, train
from mnn_gpu.backends import Backend
from mnn_gpu.backends.select import backend_of
from mnn_gpu.nn import network
from mnn_gpu.nn.losses import OUTPUTS
from mnn_gpu.nn.parameters import (
    flatten,
    fold_input_scale,
    init_parameters,
    parameter_count,
    unflatten,
)
from mnn_gpu.step.batch import MicrobatchInputs, NetworkSpec
from mnn_gpu.step.gradient import LossAndGradient, batch_sums
from tests.support.libraries import Library, library

SIZES = (5, 4, 3)
Host = npt.NDArray[Any]


@pytest.fixture
def anywhere(lib: Library) -> Backend:
    """Return a backend of each installed library."""
    return select_backend("cpu") if lib.name == "numpy" else backend_of(lib.asarray([0.0]))


def problem(m: int, seed: int, sizes: tuple[int, ...] = SIZES) -> tuple[Host, Host, Host]:
    """Return theta, X (features, m) and labels (m,), on the host."""
    rng = np.random.default_rng(seed)
    theta = flatten(init_parameters(sizes, rng))
    return theta, rng.random((sizes[0], m)), rng.integers(0, sizes[-1], m).astype(np.int32)


def sums(
    lib: Library, theta: Host, X: Host, labels: Host, sizes: tuple[int, ...] = SIZES, **task: Any
) -> LossAndGradient:
    """Return the mean gradient, the loss and the correct predictions, on the host."""
    samples = MicrobatchInputs(lib.asarray(X), lib.asarray(labels))
    found = batch_sums(lib.asarray(theta), NetworkSpec(layer_sizes=sizes, **task), [samples])
    return LossAndGradient(*map(lib.to_numpy, found))


# ---- symmetries ------------------------------------------------------------------------


@given(st.integers(0, 1000), st.integers(-20, 20))
@settings(deadline=None, max_examples=30)
def test_scaling_inputs_by_a_power_of_two_equals_scaling_the_first_weights_bit_for_bit(
    seed: int, power: int
) -> None:
    scale = 2.0**power
    theta, X, labels = problem(6, seed)
    scaled = fold_input_scale(theta, SIZES, scale)
    numpy = library("numpy")
    of_inputs, of_weights = sums(numpy, theta, X * scale, labels), sums(numpy, scaled, X, labels)
    assert of_inputs.loss == of_weights.loss
    assert of_inputs.correct == of_weights.correct
    # The derivative in w is the scale times that in (scale w); all others are equal.
    np.testing.assert_array_equal(
        of_inputs.gradient, fold_input_scale(of_weights.gradient, SIZES, scale)
    )


def permuted(theta: Host, units: Host) -> Host:
    """Permute the hidden units."""
    (W1, b1), (W2, b2) = unflatten(theta, SIZES)
    moved: Host = flatten([(W1[units], b1[units]), (W2[:, units], b2)])
    return moved


@pytest.mark.parametrize("activation", ["relu", "tanh", "logistic", "identity"])
def test_permuting_hidden_units_permutes_their_gradients(lib: Library, activation: str) -> None:
    theta, X, labels = problem(7, 1)
    units = np.array([2, 0, 3, 1])
    before = sums(lib, theta, X, labels, activation=activation)
    after = sums(lib, permuted(theta, units), X, labels, activation=activation)
    np.testing.assert_allclose(after.gradient, permuted(before.gradient, units), rtol=1e-12)
    assert after.loss == pytest.approx(before.loss, rel=1e-12)


def test_the_order_of_the_samples_does_not_change_the_gradient(lib: Library) -> None:
    theta, X, labels = problem(9, 2)
    order = np.random.default_rng(0).permutation(9)
    before, after = sums(lib, theta, X, labels), sums(lib, theta, X[:, order], labels[order])
    np.testing.assert_allclose(after.gradient, before.gradient, rtol=1e-10, atol=1e-15)
    assert after.correct == before.correct


def test_permuting_classes_permutes_their_gradients(lib: Library) -> None:
    theta, X, labels = problem(9, 3)
    places = np.array([2, 0, 1])
    (W1, b1), (W2, b2) = unflatten(theta, SIZES)
    moved = flatten([(W1, b1), (W2[places], b2[places])])
    before = sums(lib, theta, X, labels)
    after = sums(lib, moved, X, np.argsort(places)[labels].astype(np.int32))
    (dW1, _), (dW2, db2) = unflatten(before.gradient, SIZES)
    (dW1_after, _), (dW2_after, db2_after) = unflatten(after.gradient, SIZES)
    np.testing.assert_allclose(dW1_after, dW1, rtol=1e-10, atol=1e-15)
    np.testing.assert_allclose(dW2_after, dW2[places], rtol=1e-10, atol=1e-15)
    np.testing.assert_allclose(db2_after, db2[places], rtol=1e-10, atol=1e-15)


def test_training_does_not_depend_on_the_number_of_shards(
    anywhere: Backend, images: dict[str, Any]
) -> None:
    config = TrainingConfig(hidden=(6,), iterations=10, learning_rate=0.3, dtype="float64")
    thetas = [
        train(images["X"], images["y"], replace(config, shard_rows=rows), backend=anywhere)[0].theta
        for rows in (1, 7, 30, 1000)
    ]
    for theta in thetas[1:]:
        np.testing.assert_allclose(theta, thetas[0], rtol=1e-11, atol=1e-13)


# ---- extreme values --------------------------------------------------------------------

EXTREME = [[1e30, -1e30, 1e30, 0.0], [1e30, 1e30, -1e30, -1e30], [-1e30, 0.0, 1e30, 1e30]]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("output", ["softmax", "logistic"])
def test_loss_and_gradient_are_finite_for_logits_of_1e30(
    lib: Library, output: str, dtype: str
) -> None:
    host = np.array(EXTREME)
    Z = lib.asarray(host, dtype)
    for label in range(3):
        Y = network.one_hot(lib.asarray([label] * 4, "int32"), 3, Z.dtype)
        loss, _ = OUTPUTS[output].loss(Z, Y, None)
        A = OUTPUTS[output].function(Z)
        dZ = lib.to_numpy(A - Y)
        expected = (host.max(axis=0) - host[label]).sum()
        if output == "logistic":
            wanted = np.eye(3)[:, [label] * 4]
            expected = np.maximum(np.where(wanted > 0, -host, host), 0).sum()
        assert float(loss) == pytest.approx(expected, rel=1e-6, abs=4 * np.log(2) * 3)
        assert np.abs(dZ).max() <= 1
        if output == "softmax":
            np.testing.assert_allclose(dZ.sum(axis=0), 0, atol=1e-6)


def test_the_gradient_is_finite_for_weights_with_such_logits(lib: Library) -> None:
    theta, X, labels = problem(8, 4)
    for activation in ("relu", "tanh", "logistic"):
        found = sums(lib, theta * 1e15, X, labels, activation=activation)
        assert np.isfinite(found.loss)
        assert np.isfinite(found.gradient).all()


def test_100_000_classes_need_memory_for_a_few_score_matrices_only() -> None:
    classes, m, sizes = 100_000, 16, (3, 2, 100_000)
    rng = np.random.default_rng(0)
    theta = rng.standard_normal(parameter_count(sizes)).astype(np.float32)
    X = rng.random((3, m)).astype(np.float32)
    labels = rng.integers(0, classes, m).astype(np.int32)
    tracemalloc.start()
    found = sums(library("numpy"), theta, X, labels, sizes)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert found.loss / m == pytest.approx(np.log(classes), rel=0.3)
    of_scores, of_theta = classes * m * 4, theta.nbytes
    # Some matrices (classes, m), and none of (classes, classes), which would be 40 GB. The
    # parameters are converted through Python lists, with about 40 bytes each.
    assert peak < 8 * of_scores + 14 * of_theta


# ---- edge cases ------------------------------------------------------------------------


def test_uninformative_features_give_the_class_frequencies(anywhere: Backend) -> None:
    labels = np.array([0] * 6 + [1] * 3 + [2])
    config = TrainingConfig(hidden=(3,), iterations=400, learning_rate=1.0)
    model, history = train(np.full((10, 4), 51, np.uint8), labels, config, backend=anywhere)
    shares = predict_proba(model, np.full((1, 4), 51, np.uint8))
    np.testing.assert_allclose(shares, [[0.6, 0.3, 0.1]], atol=0.01)
    entropy = -(shares * np.log(shares)).sum()
    assert history.training.loss == pytest.approx(entropy, abs=1e-3)


def test_weights_of_a_feature_that_is_always_zero_are_unchanged(lib: Library) -> None:
    theta, X, labels = problem(9, 5)
    X[2] = 0
    (dW, _), _ = unflatten(sums(lib, theta, X, labels).gradient, SIZES)
    np.testing.assert_array_equal(dW[:, 2], 0)
    assert np.abs(dW).max() > 0


def test_a_single_class_has_probability_1_and_no_gradient(anywhere: Backend) -> None:
    X, y = np.arange(12, dtype=np.uint8).reshape(4, 3), np.full(4, 7)
    thetas = []
    for iterations in (1, 20):
        config = TrainingConfig(hidden=(2,), iterations=iterations, learning_rate=5.0)
        model, history = train(X, y, config, backend=anywhere, classes=[7])
        assert (history.training.loss, history.training.accuracy) == (0, 1)
        thetas.append(model.theta)
    np.testing.assert_array_equal(thetas[0], thetas[1])


def test_one_row_of_one_feature_is_memorized(anywhere: Backend) -> None:
    config = TrainingConfig(hidden=(2,), iterations=60, learning_rate=1.0)
    _, history = train([[255]], [1], config, backend=anywhere, classes=[0, 1, 2])
    assert history.training.accuracy == 1
    assert history.training.loss < 0.1


# ---- rounding and reproducibility ------------------------------------------------------

FOLLOWED: list[dict[str, Any]] = [
    {"iterations": 20, "learning_rate": 0.3},
    {"epochs": 4, "batch_size": 7, "optimizer": "nesterov"},
    {"epochs": 4, "batch_size": 7, "optimizer": "adamw", "learning_rate": 1e-2, "ema_decay": 0.9},
]


@pytest.mark.parametrize("recipe", FOLLOWED)
def test_float32_agrees_with_float64(
    anywhere: Backend, images: dict[str, Any], recipe: dict[str, Any]
) -> None:
    single, double = (
        train(
            images["X"],
            images["y"],
            TrainingConfig(hidden=(6,), dtype=dtype, **recipe),
            backend=anywhere,
        )[0].theta
        for dtype in ("float32", "float64")
    )
    assert (str(single.dtype), str(double.dtype)) == ("float32", "float64")
    np.testing.assert_allclose(single, double, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("recipe", FOLLOWED)
def test_two_identical_runs_are_bit_identical(
    anywhere: Backend, images: dict[str, Any], recipe: dict[str, Any]
) -> None:
    config = TrainingConfig(hidden=(6,), **recipe)
    one, other = (train(images["X"], images["y"], config, backend=anywhere) for _ in range(2))
    assert one[0].theta.tobytes() == other[0].theta.tobytes()
    assert one[1].training == other[1].training


def test_two_processes_are_bit_identical() -> None:
    code = (
        "import hashlib, mnn_gpu, numpy as np\n"
        "X = np.random.default_rng(0).integers(0, 256, (40, 30)).astype(np.uint8)\n"
        "config = mnn_gpu.TrainingConfig(hidden=(8, 5), epochs=3, batch_size=7, dropout=0.2)\n"
        "model, _ = mnn_gpu.train(X, np.arange(40) % 3, config,\n"
        "                         backend=mnn_gpu.select_backend('cpu'))\n"
        "print(hashlib.sha256(model.theta.tobytes()).hexdigest(), hash('text'))"
    )
    printed = [
        subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout.split()
        for _ in range(2)
    ]
    (one, seed_of_one), (other, seed_of_other) = printed
    assert one == other
    assert seed_of_one != seed_of_other  # Hash seeds differ, so no result may depend on them.
