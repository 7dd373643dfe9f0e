"""The training step: a pure function on any library, independent of the microbatch size."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from array_api_compat import array_namespace, device
from hypothesis import given, settings
from hypothesis import strategies as st

from mnn_gpu.nn.optimizers import GradientDescent
from mnn_gpu.nn.parameters import flatten, init_parameters
from mnn_gpu.step.batch import Batch, MicrobatchInputs, NetworkSpec, StepData
from mnn_gpu.step.gradient import batch_sums
from mnn_gpu.step.microbatches import split_rows
from mnn_gpu.step.train_step import State, training_step
from tests.support import oracle
from tests.support.libraries import Library

SIZES = (6, 5, 4, 3)


def problem(lib: Library, m: int, dtype: str = "float64") -> tuple[State, Any, Any, Any]:
    """Return an initial state, the host layers, X (m, features) uint8 and labels (m,)."""
    rng = np.random.default_rng(m)
    layers = init_parameters(SIZES, rng)
    theta = lib.asarray(flatten(layers), dtype)
    zero, none = lib.asarray(0.0, dtype), lib.asarray(0, "int32")
    X = rng.integers(0, 256, (m, 6)).astype(np.uint8)
    return State(theta, (), zero, none, none), layers, X, rng.integers(0, 3, m).astype(np.int32)


def descend(state: State, shards: Any, alpha: float) -> State:
    """Take one step of gradient descent."""
    step = training_step(NetworkSpec(layer_sizes=SIZES), GradientDescent())
    xp = array_namespace(state.theta)
    scalars = xp.asarray([alpha], dtype=state.theta.dtype, device=device(state.theta))
    return step(StepData(None, None, shards), state, Batch(scalars))


def there(lib: Library, X: Any, labels: Any, shard_rows: int) -> Any:
    return split_rows(lib.asarray(X), lib.asarray(labels), shard_rows)


@pytest.mark.parametrize("shard_rows", [1, 4, 100])
def test_a_step_equals_the_oracles(lib: Library, shard_rows: int) -> None:
    state, layers, X, labels = problem(lib, m=10)
    after = descend(state, there(lib, X, labels, shard_rows), 0.3)
    expected = flatten(oracle.iterate(layers, X.T / 255, labels, 1, 0.3))
    loss, _ = oracle.mean_gradient(layers, X.T / 255, labels)
    np.testing.assert_allclose(lib.to_numpy(after.theta), expected, rtol=1e-12, atol=1e-15)
    assert float(after.loss) / 10 == pytest.approx(loss, rel=1e-12)
    assert int(after.finite_steps) == 1


def test_a_step_does_not_change_its_arguments_and_stays_on_the_device(lib: Library) -> None:
    state, _, X, labels = problem(lib, m=7, dtype="float32")
    before = lib.to_numpy(state.theta).copy()
    after = descend(state, there(lib, X, labels, 3), 0.3)
    np.testing.assert_array_equal(lib.to_numpy(state.theta), before)
    assert float(state.loss) == 0
    for old, new in zip(
        state._replace(optimizer_state=state.loss),
        after._replace(optimizer_state=after.loss),
        strict=True,
    ):
        assert lib.owns(new)
        assert new.dtype == old.dtype
        assert new.shape == old.shape


def test_loss_and_correct_predictions_are_summed_over_the_steps(lib: Library) -> None:
    state, _, X, labels = problem(lib, m=8)
    shards = there(lib, X, labels, 8)
    once = descend(state, shards, 0.1)
    alone = descend(state._replace(theta=once.theta), shards, 0.1)
    twice = descend(once, shards, 0.1)
    assert float(twice.loss) == pytest.approx(float(once.loss) + float(alone.loss))
    assert int(twice.correct) == int(once.correct) + int(alone.correct)


def test_steps_before_the_first_infinite_loss_are_counted(lib: Library) -> None:
    state, _, X, labels = problem(lib, m=8)
    shards = there(lib, X, labels, 8)
    good = descend(state, shards, 0.1)
    broken = good._replace(theta=good.theta * float("nan"))
    assert int(descend(broken, shards, 0.1).finite_steps) == 1


@given(st.integers(1, 40), st.integers(1, 40), st.integers(1, 40))
@settings(deadline=None, max_examples=40)
def test_the_number_of_microbatches_does_not_matter(m: int, one: int, other: int) -> None:
    lib = Library("numpy", np, "cpu")
    state, _, X, labels = problem(lib, m, dtype="float32")
    first, second = (
        batch_sums(
            state.theta,
            NetworkSpec(layer_sizes=SIZES),
            [MicrobatchInputs(*shard) for shard in there(lib, X, labels, rows)],
        )
        for rows in (one, other)
    )
    np.testing.assert_allclose(first.gradient, second.gradient, rtol=1e-4, atol=1e-5)
    assert float(first.loss) == pytest.approx(float(second.loss), rel=1e-5)
    assert int(first.correct) == int(second.correct)


def test_float32_and_float64_agree_to_float32_tolerance(lib: Library) -> None:
    thetas = []
    for dtype in ("float32", "float64"):
        state, _, X, labels = problem(lib, m=20, dtype=dtype)
        for _ in range(10):
            state = descend(state, there(lib, X, labels, 6), 0.3)
        thetas.append(lib.to_numpy(state.theta))
    np.testing.assert_allclose(thetas[0], thetas[1], rtol=1e-4, atol=1e-6)
