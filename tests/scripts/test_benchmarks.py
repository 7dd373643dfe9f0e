"""The benchmarks measure equal work."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mnn_gpu.nn import network
from mnn_gpu.nn.parameters import unflatten
from scripts.benchmarks.contenders import CONTENDERS
from scripts.benchmarks.jobs import JOBS, Problem, orders
from scripts.benchmarks.reading import READERS
from scripts.benchmarks.report import duration
from scripts.benchmarks.steps import LOSS_TOLERANCE
from scripts.benchmarks.worker import peak_memory

ROOT = Path(__file__).parents[2]


def short(name: str) -> Problem:
    """Return a job's problem with few rows and steps."""
    problem = Problem.of(replace(JOBS[name], steps=4))
    if problem.orders is None:
        return replace(problem, X=problem.X[:5000], y=problem.y[:5000])
    return problem


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # Of torch.compile.
@pytest.mark.parametrize("name", JOBS)
def test_every_contender_here_does_equal_work(name: str) -> None:
    problem = short(name)
    start, losses = problem.loss(problem.theta), {}
    for contender, kind in CONTENDERS.items():
        try:
            runner = kind(problem)
        except (ImportError, NotImplementedError):
            continue
        runner.start(problem.theta)
        runner.prepare(problem.orders, problem.job.learning_rate)
        runner.advance()
        losses[contender] = problem.loss(runner.theta())
    expected = losses.pop("mnn_gpu")
    assert expected != pytest.approx(start, rel=1e-3)
    for loss in losses.values():
        assert loss == pytest.approx(expected, rel=1e-3)


def test_the_arithmetic_of_a_step_is_counted_by_the_book() -> None:
    # 784-10-10-10: forward and dW take every weight twice, dZ all but the first layer's.
    assert JOBS["b"].flops == 2 * 128 * (2 * (7840 + 100 + 100) + 200)


@pytest.mark.parametrize(
    ("seconds", "text"), [(1.5, "1.5 s"), (0.0123, "12.3 ms"), (134e-6, "134 us"), (2e-8, "20 ns")]
)
def test_durations_have_three_figures(seconds: float, text: str) -> None:
    assert duration(seconds) == text


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # Of torch.compile.
@pytest.mark.parametrize("contender", CONTENDERS)
def test_a_contender_started_again_forgets_what_it_learnt(contender: str) -> None:
    problem = short("b")
    try:
        runner = CONTENDERS[contender](problem)
    except (ImportError, NotImplementedError) as error:
        pytest.skip(str(error))
    thetas = []
    for _ in range(2):
        runner.start(problem.theta)
        runner.prepare(problem.orders, 0.01)
        runner.advance()
        thetas.append(runner.theta())
    np.testing.assert_allclose(thetas[0], thetas[1], rtol=1e-4, atol=1e-6)
    images = problem.X[:50]
    layers = unflatten(thetas[1].astype(np.float64), problem.job.sizes)
    expected = network.forward(layers, images.T / 255)[1][-1].argmax(axis=0)
    np.testing.assert_array_equal(runner.predictor(images)(), expected)


def test_rows_run_through_shuffled_epochs_laid_end_to_end() -> None:
    job = replace(JOBS["b"], rows=1000, batch_size=96, steps=5)
    rows = np.concatenate([orders(job, 3, done).reshape(-1) for done in (0, 5, 10, 15)])
    assert sorted(rows[:1000]) == list(range(1000))
    assert sorted(set(rows[1000:])) == sorted(rows[1000:])


@pytest.mark.parametrize("reader", READERS)
def test_every_reader_reads_the_same(tmp_path: Path, reader: str) -> None:
    cells = np.random.default_rng(0).integers(0, 256, (20, 5))
    path = tmp_path / "train.csv"
    np.savetxt(path, cells, "%d", ",", header="label,a,b,c,d", comments="")
    try:
        X, y = READERS[reader](str(path))
    except ImportError as error:
        pytest.skip(str(error))
    np.testing.assert_array_equal(np.column_stack([y, X]), cells)


def test_the_peak_memory_is_that_of_this_process() -> None:
    before = peak_memory()
    block = np.ones(1 << 24)  # 128 MiB
    assert peak_memory() >= before
    assert peak_memory() > block.nbytes


def test_the_steps_that_were_measured_reach_the_same_loss() -> None:
    result = json.loads((ROOT / "scripts/results/cpu.json").read_text())
    for name in "abcd":
        job = result["jobs"][name]
        losses = [row["loss"] for row in job["contenders"].values()]
        assert np.ptp(losses) <= 2 * LOSS_TOLERANCE * (job["start_loss"] - min(losses))
        assert max(losses) < job["start_loss"]
