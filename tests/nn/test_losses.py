"""Activations and losses: each loss matches its gradient, for every pair."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mnn_gpu import select_backend
from mnn_gpu.nn.activations import ACTIVATIONS, logistic
from mnn_gpu.nn.losses import OUTPUTS, targets_of
from mnn_gpu.nn.parameters import parameter_count
from mnn_gpu.step.batch import Batch, NetworkSpec, StepData, batch_samples
from mnn_gpu.step.gradient import batch_sums
from mnn_gpu.step.microbatches import split_rows
from tests.support.libraries import Library

SIZES = (4, 5, 3, 3)
TASK = NetworkSpec(layer_sizes=SIZES)
M = 7
RNG = np.random.default_rng(5)
THETA = RNG.standard_normal(parameter_count(SIZES)) / 2
X = RNG.random((M, 4))
WEIGHTS = RNG.random(M) + 0.1
TARGETS: dict[str, npt.NDArray[Any]] = {
    "softmax": RNG.integers(0, 3, M).astype(np.int32),
    "logistic": RNG.integers(0, 2, (M, 3)).astype(float),
    "identity": RNG.standard_normal((M, 3)),
    "exp": RNG.integers(0, 4, (M, 3)).astype(float),
}
KINDS = [(hidden, output) for hidden in ACTIVATIONS for output in OUTPUTS]


def task_and_data(
    hidden: str, output: str, lib: Library, weighted: bool
) -> tuple[NetworkSpec, StepData]:
    there, labels = lib.asarray(X), lib.asarray(TARGETS[output])
    weights = lib.asarray(WEIGHTS) if weighted else None
    data = StepData(there, labels, tuple(split_rows(there, labels, M)), weights=weights)
    return replace(TASK, activation=hidden, output=output), data


def sums(theta: Any, task: NetworkSpec, data: StepData, rows: Any) -> Any:
    return batch_sums(theta, task, batch_samples(data, Batch(theta[:0], rows), task, 3))


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize(("hidden", "output"), KINDS)
def test_the_gradient_is_that_of_the_loss(
    hidden: str, output: str, weighted: bool, lib: Library
) -> None:
    task, data = task_and_data(hidden, output, lib, weighted)
    rows = lib.asarray(np.arange(M, dtype=np.int32))
    here = sums(lib.asarray(THETA), task, data, rows)
    assert lib.owns(here.gradient)
    direction = np.random.default_rng(1).standard_normal(len(THETA))
    step = 1e-6
    ahead, behind = (
        float(sums(lib.asarray(THETA + side * step * direction), task, data, rows).loss)
        for side in (1, -1)
    )
    slope = lib.to_numpy(here.gradient) @ direction
    assert slope == pytest.approx((ahead - behind) / (2 * step) / M, rel=1e-5)


@pytest.mark.parametrize("output", OUTPUTS)
def test_sample_weights_equal_repeated_samples(output: str, lib: Library) -> None:
    task, data = task_and_data("tanh", output, lib, weighted=False)
    counts = np.array([2, 1, 3, 1, 1, 2, 1])
    copies = lib.asarray(np.repeat(np.arange(M), counts).astype(np.int32))
    expected = sums(lib.asarray(THETA), task, data, copies)
    weighted = data._replace(weights=lib.asarray(counts / 5.0))
    rows = lib.asarray(np.arange(M, dtype=np.int32))
    found = sums(lib.asarray(THETA), task, weighted, rows)
    one, other = (lib.to_numpy(some.gradient) for some in (found, expected))
    np.testing.assert_allclose(one, other, rtol=1e-12, atol=1e-15)
    assert float(found.loss) / M == pytest.approx(float(expected.loss) / counts.sum())


@pytest.mark.parametrize(("hidden", "output"), KINDS)
def test_a_compiled_step_is_bit_identical(hidden: str, output: str) -> None:
    backend = select_backend("cpu")
    rows = np.arange(M, dtype=np.int32)
    plain = Library("numpy", backend.xp, "cpu")
    task, data = task_and_data(hidden, output, plain, weighted=True)

    def step(data: StepData, state: Any, batch: Batch) -> Any:
        return (sums(state[0], task, data, batch.rows).gradient,)

    (expected,) = step(data, (THETA,), Batch(THETA[:0], rows))
    compiled = backend.compile(step, data)
    (found,) = compiled((THETA,), Batch(THETA[None, :0], rows[None, :]))
    np.testing.assert_array_equal(found, expected)


LOSSES: dict[str, Callable[[float, float], float]] = {
    "logistic": lambda z, y: -math.log(1 / (1 + math.exp(-z)) if y else 1 / (1 + math.exp(z))),
    "identity": lambda z, y: (z - y) ** 2 / 2,
    "exp": lambda z, y: (y * math.log(y / math.exp(z)) if y else 0) - y + math.exp(z),
}


@pytest.mark.parametrize("output", LOSSES)
def test_losses_equal_their_definitions(output: str, lib: Library) -> None:
    Z = np.random.default_rng(2).standard_normal((3, M)) * 3
    Y = TARGETS[output].T
    expected = sum(LOSSES[output](z, y) for z, y in zip(Z.ravel(), Y.ravel(), strict=True))
    loss, _ = OUTPUTS[output].loss(lib.asarray(Z), lib.asarray(Y), None)
    assert float(loss) == pytest.approx(expected)


def test_a_sample_is_correct_if_every_output_is(lib: Library) -> None:
    Z = lib.asarray([[2.0, 2.0, -1.0], [-1.0, -1.0, -1.0]])
    Y = lib.asarray([[1.0, 1.0, 0.0], [0.0, 1.0, 0.0]])
    assert int(OUTPUTS["logistic"].loss(Z, Y, None)[1]) == 2


@pytest.mark.parametrize("z", [-800.0, -40.0, 0.0, 40.0, 800.0])
def test_the_logistic_function_does_not_overflow(z: float) -> None:
    loss, _ = OUTPUTS["logistic"].loss(np.array([[z]]), np.array([[0.0]]), None)
    assert float(loss) == pytest.approx(max(z, 0), abs=0.7)
    expected = math.exp(z) if z < -30 else 1 / (1 + math.exp(-z))
    assert float(logistic(np.array([z]))[0]) == pytest.approx(expected, rel=1e-12, abs=0)


@given(st.lists(st.integers(0, 4), min_size=1, max_size=9))
def test_class_indices_equal_one_hot_rows(labels: list[int]) -> None:
    index = np.array(labels)
    rows = np.eye(5)[index]
    np.testing.assert_array_equal(targets_of(index, 5, np.float64), targets_of(rows, 5, np.float64))


@pytest.mark.parametrize("output", ["softmax", "logistic"])
@pytest.mark.parametrize("clip", [1e-15, 1e-3, 0.2])
def test_losses_of_clipped_probabilities(lib: Library, output: str, clip: float) -> None:
    Z = np.array([[9.0, 0.3, -50, 0, 800], [-9.0, 0.1, 50, 0, -800], [0.0, 0.2, 0, 0, 1]])
    Y = np.eye(3)[[0, 1, 0, 2, 1]].T
    if output == "softmax":
        E = np.exp(Z - Z.max(axis=0))
        A = np.clip((E / E.sum(axis=0)), clip, 1 - clip)
        expected = -(Y * np.log(A)).sum()
    else:
        A = np.clip(np.exp(np.minimum(Z, 0)) / (1 + np.exp(-np.abs(Z))), clip, 1 - clip)
        expected = -(Y * np.log(A) + (1 - Y) * np.log(1 - A)).sum()
    loss, _ = OUTPUTS[output].loss(lib.asarray(Z), lib.asarray(Y), None, clip)
    assert float(loss) == pytest.approx(expected, rel=1e-9)
