"""The updates and schedules: their formulas, and the trajectories of torch and optax."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mnn_gpu.optimizers import (
    SCHEDULES,
    Adam,
    GradientDescent,
    Momentum,
    make_optimizer,
    step_scalars,
)
from tests.libraries import Library

TRAJECTORIES = json.loads((Path(__file__).parent / "optimizer_trajectories.json").read_text())


def gradient(theta: Any, t: int) -> Any:
    """Return the gradient that the stored trajectories were made with."""
    return np.sin(3 * theta) + 0.1 * theta * t


def trajectory(lib: Library, name: str, dtype: str, steps: int) -> Any:
    """Follow an optimizer, at learning rate 0.05, from the stored start."""
    optimizer = make_optimizer(name)
    theta = lib.asarray(TRAJECTORIES["start"], dtype)
    slots = tuple(theta * 0 for _ in range(optimizer.slots))
    for t in range(1, steps + 1):
        g = lib.asarray(gradient(lib.to_numpy(theta), t), dtype)
        scalars = [lib.asarray(s, dtype) for s in optimizer.scalars(t, 0.05)]
        theta, slots = optimizer.update(theta, g, None, scalars, slots)
        assert all(lib.owns(array) and array.dtype == theta.dtype for array in (theta, *slots))
    return lib.to_numpy(theta)


@pytest.mark.parametrize("peer", ["torch", "optax"])
@pytest.mark.parametrize("name", ["sgd", "momentum", "adam"])
@pytest.mark.parametrize(("dtype", "tolerance"), [("float32", 1e-5), ("float64", 1e-12)])
def test_the_trajectory_is_the_peers(
    lib: Library, peer: str, name: str, dtype: str, tolerance: float
) -> None:
    expected = TRAJECTORIES[peer][name]
    actual = trajectory(lib, name, dtype, TRAJECTORIES["steps"])
    np.testing.assert_allclose(actual, expected, rtol=tolerance, atol=tolerance)


def test_gradient_descent_is_the_formula() -> None:
    theta, _ = GradientDescent().update(np.array([1.0]), np.array([2.0]), None, (0.1,), ())
    assert theta == pytest.approx(0.8)


def test_momentum_gathers_speed() -> None:
    slots = (np.array([4.0]),)
    theta, (v,) = Momentum(0.5).update(np.array([1.0]), np.array([2.0]), None, (0.1,), slots)
    assert v == pytest.approx(4.0)
    assert theta == pytest.approx(0.6)


def test_adams_first_step_is_the_learning_rate_whatever_the_gradients_size() -> None:
    adam = Adam()
    for size in (1e-3, 1.0, 1e3):
        zero = np.zeros(2)
        g = np.array([size, -size])
        theta, _ = adam.update(zero, g, None, adam.scalars(1, 0.01), (zero, zero))
        np.testing.assert_allclose(theta, [-0.01, 0.01], rtol=1e-4)


@pytest.mark.parametrize(
    ("name", "expected"), [("constant", [1, 1, 1]), ("linear", [1, 0.5, 0.1]), ("cosine", None)]
)
def test_schedules(name: str, expected: list[float] | None) -> None:
    expected = expected or [1, 0.5, (1 + math.cos(0.9 * math.pi)) / 2]
    assert [SCHEDULES[name](step, 10) for step in (0, 5, 9)] == pytest.approx(expected)


def test_the_scalars_of_many_steps_are_those_of_each() -> None:
    adam, linear = Adam(), SCHEDULES["linear"]
    expected = [adam.scalars(t + 1, 0.1 * linear(t, 20)) for t in range(5, 9)]
    assert step_scalars(adam, linear, 0.1, range(5, 9), 20) == expected
