"""The forecast of a run: counts and memory exactly, times from given measurements."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mnn_gpu import TrainingConfig, select_backend
from mnn_gpu.backends import Backend
from mnn_gpu.nn import network
from mnn_gpu.nn.flops import training_flops
from mnn_gpu.nn.parameters import init_parameters
from mnn_gpu.step.batch import NetworkSpec
from mnn_gpu.training.batches.plan import BatchPlan
from mnn_gpu.training.forecast import _records, flops_until
from mnn_gpu.training.job import Job
from mnn_gpu.training.timed_steps import Calls


@pytest.mark.parametrize("sizes", [(7, 3), (784, 10, 10, 10), (5, 11, 4, 2)])
def test_flops_are_those_of_the_products_of_a_step(sizes: tuple[int, ...]) -> None:
    counted = [0]

    def product(A: Any, B: Any) -> Any:
        counted[0] += 2 * A.shape[0] * A.shape[1] * B.shape[1]
        return A @ B

    layers = init_parameters(sizes, np.random.default_rng(0))
    X, Y = np.ones((sizes[0], 6)), np.ones((sizes[-1], 6))
    Z, A = network.forward(layers, X, product=product)
    network.backward(layers, Z, A, X, Y, product=product)
    assert training_flops(sizes, 6) == counted[0]


def plan_of(rows: int, **config: Any) -> BatchPlan:
    task = NetworkSpec(layer_sizes=(5, 3, 2))
    return BatchPlan(TrainingConfig(hidden=(3,), **config), task, select_backend("cpu"), rows)


@given(st.integers(1, 50), st.integers(1, 20), st.integers(1, 40), st.integers(1, 15))
def test_samples_and_records_are_counted_as_a_run_makes_them(
    rows: int, size: int, total: int, every: int
) -> None:
    plan = plan_of(rows, batch_size=min(size, rows), iterations=total, report_every=every)
    samples, records = 0, 0
    for iteration in range(1, total + 1):
        samples += plan.batch_rows(plan.place_of(iteration)[1])
        records += iteration % every == 0 or iteration == total
        assert flops_until(plan, iteration) == training_flops((5, 3, 2), samples)
        assert _records(plan, iteration) == records


def test_calls_that_compile_are_counted_as_set_up() -> None:
    calls = Calls(first_calls=2)
    for seconds in (9.0, 3.0, 1.0, 1.0):
        calls.add((4, 32), seconds)
    calls.add((1, 7), 5.0)
    assert calls.step == 2.0 / 8
    assert calls.setup == (9.0 + 3.0 + 5.0) - (4 + 4 + 1) * calls.step
    only_one = Calls(first_calls=1)
    only_one.add((1, 32), 6.0)
    assert (only_one.step, only_one.setup) == (6.0, 0.0)


@pytest.mark.parametrize("batch_size", [None, 7])
def test_memory_and_counts_of_a_run(
    backend: Backend, images: dict[str, Any], batch_size: int | None
) -> None:
    config = TrainingConfig(
        hidden=(4,), iterations=40, batch_size=batch_size, optimizer="adam", report_every=10
    )
    job = Job(images["X"], images["y"], config, (images["X"][:5], images["y"][:5]))
    run, found = job.forecast(backend, seconds=0.001)
    parameters = 12 * 4 + 4 + 4 * 3 + 3
    assert found.state_bytes == 3 * 4 * parameters
    samples, held_out = 30 * (12 + 4), 5 * (12 + 4)
    copied = 30 * 12 * 4 if batch_size is None and backend.prescales_pixels else 0
    assert found.data_bytes == samples + held_out + copied
    assert (found.steps, found.records) == (40, 4)
    assert 0 < run.iteration <= 40
    assert run.records == []
    times = found.setup, found.step, found.record, found.result
    assert all(seconds > 0 for seconds in times)
    assert found.total == pytest.approx(
        found.setup + 40 * found.step + 4 * found.record + found.result
    )


def test_a_resumed_run_has_the_rest_left(images: dict[str, Any]) -> None:
    config = TrainingConfig(hidden=(4,), iterations=45, report_every=10)
    job = Job(images["X"], images["y"], config)
    backend = select_backend("cpu")
    rests = [job.forecast(backend, 0.001, done=done)[1] for done in (20, 45, 60)]
    assert [(f.steps, f.records) for f in rests] == [(25, 3), (0, 0), (0, 0)]


def test_a_run_of_one_step_is_measured(images: dict[str, Any]) -> None:
    job = Job(images["X"], images["y"], TrainingConfig(hidden=(4,), iterations=1))
    _, found = job.forecast(select_backend("cpu"), seconds=1.0)
    assert found.steps == 1
    assert found.step > 0
