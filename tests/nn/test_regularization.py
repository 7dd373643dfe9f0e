"""Dropout, label smoothing, gradient clipping and max-norm: in a gradient and in a step."""

from __future__ import annotations

from typing import Any

import array_api_compat.numpy as xnp
import numpy as np
import pytest

from mnn_gpu.nn import network
from mnn_gpu.nn.augmentation import Augmentation, deformation_basis, displacements
from mnn_gpu.nn.optimizers import GradientDescent, make_optimizer
from mnn_gpu.nn.parameters import flatten, fold_input_scale, init_parameters, unflatten
from mnn_gpu.nn.regularization import (
    Regularization,
    clipping_factor,
    hidden_masks,
    keep_mask,
    max_norm_factors,
    smooth_labels,
)
from mnn_gpu.step.batch import Batch, NetworkSpec, StepData, batch_samples, inputs_of
from mnn_gpu.step.execution import SerialExecution
from mnn_gpu.step.gradient import batch_sums
from mnn_gpu.step.train_step import first_state, training_step
from tests.support.libraries import Library

SIZES = (16, 7, 5, 3)
M = 9


def test_a_mask_keeps_its_fraction_and_the_mean(lib: Library) -> None:
    noise = np.arange(256, dtype=np.uint8)
    for share, kept in ((0.0, 256), (0.25, 192), (0.5, 128), (0.2, 205)):
        mask = keep_mask(lib.asarray(noise), share, lib.xp.float64)
        assert lib.owns(mask)
        host = lib.to_numpy(mask)
        assert np.count_nonzero(host) == kept
        assert host.mean() == pytest.approx(1)


def test_every_hidden_layer_has_its_own_mask(lib: Library) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (12, M)).astype(np.uint8)
    masks = hidden_masks(lib.asarray(noise), SIZES, 0.5, lib.xp.float32)
    assert [mask.shape for mask in masks] == [(7, M), (5, M)]
    together = np.concatenate([lib.to_numpy(mask) for mask in masks])
    np.testing.assert_array_equal(together, np.where(noise >= 128, 2, 0))


def test_smoothed_labels_are_still_a_distribution(lib: Library) -> None:
    Y = lib.asarray(np.eye(4))
    parallel_map = lib.to_numpy(smooth_labels(Y, 0.1))
    np.testing.assert_allclose(parallel_map.sum(axis=0), 1)
    np.testing.assert_allclose(np.diag(parallel_map), 0.925)
    np.testing.assert_allclose(parallel_map[0, 1], 0.025)


def test_only_long_gradients_are_clipped(lib: Library) -> None:
    g = lib.asarray(np.array([3.0, 4.0]))
    assert float(clipping_factor(g, 10.0)) == pytest.approx(1)
    assert float(clipping_factor(g, 1.0)) == pytest.approx(0.2)
    assert float(clipping_factor(g * 0, 1.0)) == pytest.approx(1)


def test_only_hidden_units_above_the_max_norm_are_scaled(lib: Library) -> None:
    layers = init_parameters(SIZES, np.random.default_rng(1))
    W1 = layers[0][0]
    W1[0] *= 100
    theta = lib.asarray(flatten(layers))
    longest = float(np.linalg.norm(W1[1:], axis=1).max()) + 1e-9
    after = lib.to_numpy(theta * max_norm_factors(theta, SIZES, longest))
    expected = flatten(layers).copy()
    expected[:16] *= longest / np.linalg.norm(W1[0])
    second = unflatten(after, SIZES)[1][0]
    assert np.linalg.norm(second, axis=1).max() <= longest + 1e-12
    np.testing.assert_allclose(after[: 16 * 7 + 7], expected[: 16 * 7 + 7], rtol=1e-12)
    np.testing.assert_array_equal(after[-18:], expected[-18:])  # The last layer is unchanged.


# ---- in a step -------------------------------------------------------------------------


def batch(
    lib: Library, task: NetworkSpec, augmentation: Augmentation | None
) -> tuple[StepData, Batch]:
    """Return twenty images of 4 x 4, and a batch of nine with all kinds of random numbers."""
    rng = np.random.default_rng(2)
    X = rng.integers(0, 256, (20, 16)).astype(np.uint8)
    labels = rng.integers(0, 3, 20).astype(np.int32)
    basis = drawn = None
    if augmentation:
        host = deformation_basis(augmentation, (4, 4), xnp)
        basis = lib.asarray(host)
        normals = rng.standard_normal((M, 2, len(host) - 3))
        drawn = lib.asarray(
            displacements(rng.uniform(-1, 1, (M, 6)), normals, augmentation, (4, 4), np.ones(M))
        )
    noise = rng.integers(0, 256, M * sum(task.regularization.noise_sizes(SIZES)))
    rows = lib.asarray(rng.permutation(20)[:M].astype(np.int32))
    return StepData(lib.asarray(X), lib.asarray(labels), (), None, basis), Batch(
        lib.asarray(np.array([0.1])),
        rows,
        drawn,
        lib.asarray(noise.astype(np.uint8)) if len(noise) else None,
    )


CASES = {
    "nothing": {},
    "dropout": {"dropout": 0.5},
    "input dropout": {"input_dropout": 0.25},
    "smoothing": {"label_smoothing": 0.2},
    "all": {"dropout": 0.3, "input_dropout": 0.2, "label_smoothing": 0.1},
}


def task_of(case: str) -> NetworkSpec:
    return NetworkSpec(
        layer_sizes=SIZES, regularization=Regularization(**CASES[case]), image_shape=(4, 4)
    )


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("augmentation", [None, Augmentation()])
def test_the_gradient_is_that_of_the_regularized_loss(
    case: str, augmentation: Augmentation | None
) -> None:
    lib = Library("numpy", xnp, "cpu")
    task = task_of(case)
    data, one = batch(lib, task, augmentation)
    theta = flatten(init_parameters(SIZES, np.random.default_rng(3)))
    (samples,) = batch_samples(data, one, task, 100)
    share = task.regularization.label_smoothing
    X = inputs_of(samples, task, data.basis, theta.dtype)
    Y = smooth_labels(network.one_hot(samples.labels, 3, theta.dtype), share)
    masks = []
    if task.regularization.dropout:
        masks = hidden_masks(samples.hidden_noise, SIZES, task.regularization.dropout, theta.dtype)

    def loss(theta: Any) -> float:
        _, A = network.forward(unflatten(theta, SIZES), X, masks)
        return float(-(Y * np.log(A[-1])).sum() / M)

    analytic = batch_sums(theta, task, [samples], data.basis).gradient
    for i in np.random.default_rng(4).permutation(len(theta))[:60]:
        step = np.zeros_like(theta)
        step[i] = 1e-6
        slope = (loss(theta + step) - loss(theta - step)) / 2e-6
        assert analytic[i] == pytest.approx(slope, abs=1e-7)


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("augmentation", [None, Augmentation()])
@pytest.mark.parametrize("shard_rows", [1, 4, 9])
def test_all_libraries_and_microbatch_sizes_take_the_same_step(
    lib: Library, case: str, augmentation: Augmentation | None, shard_rows: int
) -> None:
    task = task_of(case)
    theta = flatten(init_parameters(SIZES, np.random.default_rng(3)))
    states = []
    for where, rows, cached in (
        (Library("numpy", xnp, "cpu"), 100, 2**31),
        (lib, shard_rows, 32),
    ):
        data, one = batch(where, task, augmentation)
        state = first_state(theta, GradientDescent(), "float64", where.asarray)
        step = training_step(task, GradientDescent(), SerialExecution(rows, cached))
        states.append((where, step(data, state, one)))
    (numpy, expected), (_, actual) = states
    assert lib.owns(actual.theta)
    np.testing.assert_allclose(
        lib.to_numpy(actual.theta), numpy.to_numpy(expected.theta), rtol=1e-9, atol=1e-12
    )
    assert float(actual.loss) == pytest.approx(float(expected.loss))
    assert int(actual.correct) == int(expected.correct)


@pytest.mark.parametrize("augmentation", [None, Augmentation()])
@pytest.mark.parametrize("dtype", ["uint8", "float64"])
def test_scaled_inputs_can_be_compensated_by_the_parameters(
    lib: Library, augmentation: Augmentation | None, dtype: str
) -> None:
    seen = []
    for scale in (1.0, 3.0):
        task = NetworkSpec(layer_sizes=SIZES, image_shape=(4, 4), input_scale=scale)
        data, one = batch(lib, task, augmentation)
        if dtype == "float64":
            data = data._replace(X=lib.asarray(lib.to_numpy(data.X) / 255))
        (samples,) = batch_samples(data, one, task, 100)
        seen.append(inputs_of(samples, task, data.basis, lib.xp.float64))
    plain, scaled = map(lib.to_numpy, seen)
    np.testing.assert_allclose(scaled, 3 * plain, rtol=1e-9, atol=1e-12)
    theta = flatten(init_parameters(SIZES, np.random.default_rng(3)))
    theta = lib.asarray(theta)
    made_up = fold_input_scale(theta, SIZES, 3.0)
    direct, made_up_for = (
        lib.to_numpy(network.forward(unflatten(vector, SIZES), X)[0][-1])
        for vector, X in ((made_up, seen[0]), (theta, seen[1]))
    )
    np.testing.assert_allclose(direct, made_up_for, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
def test_the_ema_averages_parameters_within_the_max_norm(lib: Library, optimizer: str) -> None:
    task = NetworkSpec(layer_sizes=SIZES, regularization=Regularization(max_norm=0.3))
    data, one = batch(lib, task, None)
    theta = flatten(init_parameters(SIZES, np.random.default_rng(3)))
    rule = make_optimizer(optimizer, ema_decay=0.5)
    state = first_state(theta, rule, "float64", lib.asarray)
    step = training_step(task, rule)
    expected: Any = 0
    for t in range(1, 6):
        share, *_ = rule.scalars(t, 0.1)
        scalars = lib.asarray(np.array(rule.scalars(t, 0.1)))
        state = step(data, state, one._replace(scalars=scalars))
        after = lib.to_numpy(state.theta)
        expected = expected + share * (after - expected)
    np.testing.assert_allclose(lib.to_numpy(state.optimizer_state[-1]), expected, rtol=1e-12)
    for W, _ in unflatten(lib.to_numpy(state.optimizer_state[-1]), SIZES)[:-1]:
        assert np.linalg.norm(W, axis=1).max() <= 0.3 + 1e-12


@pytest.mark.parametrize("limit", [{"clip_norm": 1e-3}, {"max_norm": 0.1}])
def test_limits_hold_after_a_step(lib: Library, limit: dict[str, float]) -> None:
    task = NetworkSpec(layer_sizes=SIZES, regularization=Regularization(**limit))
    data, one = batch(lib, task, None)
    theta = flatten(init_parameters(SIZES, np.random.default_rng(3)))
    state = first_state(theta, GradientDescent(), "float64", lib.asarray)
    after = lib.to_numpy(training_step(task, GradientDescent())(data, state, one).theta)
    if "clip_norm" in limit:
        assert np.linalg.norm(after - theta) == pytest.approx(0.1 * 1e-3)
    else:
        for W, _ in unflatten(after, SIZES)[:-1]:
            assert np.linalg.norm(W, axis=1).max() <= 0.1 + 1e-12
