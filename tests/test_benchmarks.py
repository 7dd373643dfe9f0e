"""The benchmarks measure equal work, and what the README says is what they measured."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from scripts.benchmarks.contenders import CONTENDERS
from scripts.benchmarks.harness import LOSS_TOLERANCE
from scripts.benchmarks.jobs import JOBS, Problem
from scripts.benchmarks.report import END, START, duration, section

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


def short(name: str) -> Problem:
    """Return a job's problem with few rows and steps."""
    problem = Problem.of(replace(JOBS[name], steps=4))
    if problem.orders is None:
        return replace(problem, X=problem.X[:5000], y=problem.y[:5000])
    return problem


@pytest.mark.parametrize("name", JOBS)
def test_every_contender_here_does_equal_work(name: str) -> None:
    problem = short(name)
    start, losses = problem.loss(problem.theta), {}
    for contender, kind in CONTENDERS.items():
        try:
            runner = kind(problem)
        except (ImportError, NotImplementedError):
            continue
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


def test_the_readme_says_what_was_measured() -> None:
    result = json.loads((ROOT / "scripts/results/cpu.json").read_text())
    written = README[README.index(START) : README.index(END) + len(END)]
    assert written == section(result)
    for job in result["jobs"].values():
        losses = [row["loss"] for row in job["contenders"].values()]
        assert np.ptp(losses) <= 2 * LOSS_TOLERANCE * (job["start_loss"] - min(losses))
        assert max(losses) < job["start_loss"]
