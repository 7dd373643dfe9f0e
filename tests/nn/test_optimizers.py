"""Optimizers and schedules: their formulas, and the trajectories of torch and optax."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import FrozenInstanceError, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.neural_network import MLPClassifier

from mnn_gpu import TrainingConfig, UsageError
from mnn_gpu.nn.optimizers import (
    EMA,
    Adam,
    GradientDescent,
    Momentum,
    Optimizer,
    SGDMomentum,
    WeightDecay,
    make_optimizer,
    step_scalars,
)
from mnn_gpu.nn.regularization import clipping_factor
from mnn_gpu.nn.schedules import SCHEDULES, with_warmup
from mnn_gpu.utils.choices import OPTIMIZERS
from tests.support.libraries import Library, library

TRAJECTORIES = json.loads((Path(__file__).parent / "optimizer_trajectories.json").read_text())
DECAY, CLIP = TRAJECTORIES["decay"], TRAJECTORIES["clip"]


def gradient(theta: Any, t: int) -> Any:
    """Return the gradient that was used for the stored trajectories."""
    return np.sin(3 * theta) + 0.1 * theta * t


def trajectory(
    lib: Library, optimizer: Optimizer, dtype: str, steps: int, clip: float | None = None
) -> list[Any]:
    """Run an optimizer with learning rate 0.05 from the stored start; return theta and state."""
    theta = lib.asarray(TRAJECTORIES["start"], dtype)
    is_weight = lib.asarray(TRAJECTORIES["is_weight"], dtype)
    state = tuple(theta * 0 for _ in range(optimizer.state_size))
    for t in range(1, steps + 1):
        g = lib.asarray(gradient(lib.to_numpy(theta), t), dtype)
        if clip:
            g = g * clipping_factor(g, clip)
        scalars = [lib.asarray(s, dtype) for s in optimizer.scalars(t, 0.05)]
        theta, state = optimizer.update(theta, g, is_weight, scalars, state)
        assert all(lib.owns(array) and array.dtype == theta.dtype for array in (theta, *state))
    return [lib.to_numpy(array) for array in (theta, *state)]


@pytest.mark.parametrize("peer", ["torch", "optax"])
@pytest.mark.parametrize(
    "name", [*OPTIMIZERS, "sgd+decay", "momentum+decay", "adam+decay", "adamw+decay"]
)
@pytest.mark.parametrize(("dtype", "tolerance"), [("float32", 1e-5), ("float64", 1e-12)])
def test_trajectories_equal_those_of_torch_and_optax(
    lib: Library, peer: str, name: str, dtype: str, tolerance: float
) -> None:
    optimizer, *decayed = name.split("+")
    config = TrainingConfig(optimizer=optimizer, weight_decay=DECAY if decayed else None)
    made = config.make_optimizer()
    actual, *_ = trajectory(lib, made, dtype, TRAJECTORIES["steps"])
    expected = TRAJECTORIES[peer][name]
    np.testing.assert_allclose(actual, expected, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("nesterov", [False, True])
def test_sgd_momentum_equals_momentum_for_a_constant_rate(lib: Library, nesterov: bool) -> None:
    one, velocity = trajectory(lib, SGDMomentum(0.8, nesterov), "float64", 20)
    other, _ = trajectory(lib, Momentum(0.8, nesterov), "float64", 20)
    np.testing.assert_allclose(one, other, rtol=1e-12)
    assert np.abs(velocity).max() > 0


def test_sgd_momentum_keeps_the_learning_rate_of_each_gradient(lib: Library) -> None:
    theta, v = lib.asarray([1.0]), lib.asarray([0.0])
    for rate, g, expected in ((0.5, 1.0, 0.5), (0.1, 0.0, 0.25)):
        scalars = [lib.asarray(rate)]
        theta, (v,) = SGDMomentum(0.5).update(theta, lib.asarray([g]), None, scalars, (v,))
        assert float(theta[0]) == pytest.approx(expected)


def test_epsilon_hat_is_added_before_the_correction(lib: Library) -> None:
    beta1, beta2, epsilon, rate = 0.7, 0.9, 0.3, 0.05
    theta, m, v = np.array(TRAJECTORIES["start"]), 0.0, 0.0
    for t in range(1, 11):
        g = gradient(theta, t)
        m, v = beta1 * m + (1 - beta1) * g, beta2 * v + (1 - beta2) * g**2
        corrected = rate * math.sqrt(1 - beta2**t) / (1 - beta1**t)
        theta = theta - corrected * m / (np.sqrt(v) + epsilon)
    actual, *_ = trajectory(lib, Adam(beta1, beta2, epsilon, epsilon_hat=True), "float64", 10)
    np.testing.assert_allclose(actual, theta, rtol=1e-12)


@pytest.mark.parametrize(("peer", "tolerance"), [("torch", 2e-6), ("optax", 1e-12)])
@pytest.mark.parametrize("name", ["sgd", "adam"])
def test_trajectories_with_clipped_gradients_equal_those_of_torch_and_optax(
    lib: Library, peer: str, tolerance: float, name: str
) -> None:
    # torch adds 1e-6 to the norm, so its trajectory differs slightly.
    actual, *_ = trajectory(lib, make_optimizer(name), "float64", TRAJECTORIES["steps"], CLIP)
    expected = TRAJECTORIES[peer][f"{name}+clip"]
    np.testing.assert_allclose(actual, expected, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("name", ["rmsprop", "Adam", None])
def test_an_unknown_name_is_an_error_with_the_known_ones(name: Any) -> None:
    with pytest.raises(UsageError, match=f"optimizer is {name!r}") as caught:
        make_optimizer(name)
    assert all(known in caught.value.cure for known in OPTIMIZERS)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_defaults_are_those_of_torch_and_scikit_learn(name: str) -> None:
    recipe = TrainingConfig(optimizer=name, weight_decay=0.0)
    assert recipe.make_optimizer() == make_optimizer(name)
    assert make_optimizer("momentum") == Momentum() != Momentum(nesterov=True)
    theirs = MLPClassifier()
    assert Adam() == Adam(theirs.beta_1, theirs.beta_2, theirs.epsilon, epsilon_hat=False)
    assert SGDMomentum() == SGDMomentum(theirs.momentum, nesterov=False)
    assert WeightDecay(Adam(), 0.1) == WeightDecay(Adam(), 0.1, decoupled=False)


@pytest.mark.parametrize(
    "made",
    [
        GradientDescent(),
        Momentum(),
        SGDMomentum(),
        Adam(),
        WeightDecay(Adam(), 0.1),
        EMA(Adam(), 0.9),
    ],
)
def test_an_optimizer_is_a_value(made: Any) -> None:
    assert {made: "found"}[replace(made)] == "found"
    with pytest.raises(FrozenInstanceError):
        made.state_size = 7


def test_gradient_descent_equals_its_formula() -> None:
    theta, _ = GradientDescent().update(np.array([1.0]), np.array([2.0]), None, (0.1,), ())
    assert theta == pytest.approx(0.8)


def test_momentum_accumulates_velocity() -> None:
    state = (np.array([4.0]),)
    theta, (v,) = Momentum(0.5).update(np.array([1.0]), np.array([2.0]), None, (0.1,), state)
    assert v == pytest.approx(4.0)
    assert theta == pytest.approx(0.6)


def test_a_nesterov_step_looks_ahead() -> None:
    state = (np.array([4.0]),)
    optimizer = Momentum(0.5, nesterov=True)
    theta, (v,) = optimizer.update(np.array([1.0]), np.array([2.0]), None, (0.1,), state)
    assert v == pytest.approx(4.0)
    assert theta == pytest.approx(1 - 0.1 * (2 + 0.5 * 4))


def test_adams_first_step_is_the_learning_rate_for_any_gradient() -> None:
    adam = Adam()
    for size in (1e-3, 1.0, 1e3):
        zero = np.zeros(2)
        g = np.array([size, -size])
        theta, _ = adam.update(zero, g, None, adam.scalars(1, 0.01), (zero, zero))
        np.testing.assert_allclose(theta, [-0.01, 0.01], rtol=1e-4)


@pytest.mark.parametrize("decoupled", [True, False])
def test_without_a_gradient_weights_decay_and_biases_stay(lib: Library, decoupled: bool) -> None:
    optimizer = WeightDecay(GradientDescent(), 0.2, decoupled=decoupled)
    theta, is_weight = lib.asarray([2.0, 2.0]), lib.asarray([1.0, 0.0])
    after, _ = optimizer.update(theta, theta * 0, is_weight, optimizer.scalars(1, 0.5), ())
    np.testing.assert_allclose(lib.to_numpy(after), [2 - 0.5 * 0.2 * 2, 2.0])


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_ema_averages_the_trajectory_without_changing_it(lib: Library, name: str) -> None:
    steps, decay = 30, 0.7
    made = make_optimizer(name, ema_decay=decay)
    thetas = [trajectory(lib, make_optimizer(name), "float64", t)[0] for t in range(1, steps + 1)]
    expected = thetas[0] * 0
    for t, theta in enumerate(thetas, start=1):
        d = min(decay, (t - 1) / (t + 9))
        expected = d * expected + (1 - d) * theta
    theta, *_, average = trajectory(lib, made, "float64", steps)
    np.testing.assert_array_equal(theta, thetas[-1])
    np.testing.assert_allclose(average, expected, rtol=1e-12)


def test_the_first_average_is_the_first_theta() -> None:
    lib = library("numpy")
    theta, *_, average = trajectory(lib, EMA(GradientDescent(), 0.99), "float64", 1)
    np.testing.assert_array_equal(theta, average)


# ---- schedules -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "expected"), [("constant", [1, 1, 1]), ("linear", [1, 0.5, 0.1]), ("cosine", None)]
)
def test_schedules(name: str, expected: list[float] | None) -> None:
    expected = expected or [1, 0.5, (1 + math.cos(0.9 * math.pi)) / 2]
    assert [SCHEDULES[name](step, 10) for step in (0, 5, 9)] == pytest.approx(expected)


@pytest.mark.parametrize(
    ("peer", "name"),
    [(peer, name) for peer, named in TRAJECTORIES["schedules"].items() for name in named],
)
def test_schedules_equal_those_of_torch_and_optax(peer: str, name: str) -> None:
    schedule: Callable[[int, int], float] = (
        with_warmup(SCHEDULES["cosine"], 0.2) if name.startswith("warm-up") else SCHEDULES[name]
    )
    expected = TRAJECTORIES["schedules"][peer][name]
    actual = [schedule(step, len(expected)) for step in range(len(expected))]
    assert actual == pytest.approx(expected, rel=1e-6, abs=1e-9)


@pytest.mark.parametrize("steps", [2, 5, 101])
def test_one_cycle_ends_at_1_over_4_million(steps: int) -> None:
    rates = [SCHEDULES["one-cycle"](step, steps) for step in range(steps)]
    assert rates[-1] == pytest.approx(1 / 250_000, rel=1e-9)
    assert max(rates) > 0.9 or steps == 2


@given(st.sampled_from(sorted(SCHEDULES)), st.integers(1, 2000), st.floats(0, 0.99), st.integers(0))
def test_every_schedule_stays_between_0_and_1(
    name: str, steps: int, warmup: float, step: int
) -> None:
    assert 0 <= with_warmup(SCHEDULES[name], warmup)(step % steps, steps) <= 1


def test_warm_up_rises_linearly_and_the_schedule_has_the_remaining_steps() -> None:
    schedule = with_warmup(SCHEDULES["linear"], 0.5)
    assert [schedule(step, 8) for step in range(8)] == pytest.approx(
        [0.2, 0.4, 0.6, 0.8, 1, 0.75, 0.5, 0.25]
    )


def test_after_the_warm_up_the_schedule_starts_from_its_beginning() -> None:
    schedule = SCHEDULES["one-cycle"]
    warm = [with_warmup(schedule, 0.5)(step, 20) for step in range(10, 20)]
    assert warm == [schedule(step, 10) for step in range(10)]


def test_the_scalars_of_many_steps_equal_those_of_each() -> None:
    adam, linear = Adam(), SCHEDULES["linear"]
    expected = [adam.scalars(t + 1, 0.1 * linear(t, 20)) for t in range(5, 9)]
    assert step_scalars(adam, linear, 0.1, range(5, 9), 20) == expected
