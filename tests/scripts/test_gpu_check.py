"""`scripts/gpu-check` keeps what it found, whatever happens to a check or to itself."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from subprocess import PIPE
from typing import Any

import pytest

from scripts.gpu import outcome, report
from scripts.gpu.attempt import limits, tried
from scripts.gpu.check import main
from scripts.gpu.outcome import Findings, NotRunError
from scripts.gpu.plan import HEAD, PLAN
from scripts.gpu.record import ROOT, Record
from tests.support.cuda_standin.control import IS_IN_FRONT

MACHINE = {"card": "Card 1", "driver": "1.2", "versions": {"python": "3"}}


def program(text: str) -> Callable[[Path], Sequence[str]]:
    """Return the command of a check that runs this text; ``file`` is where its findings go."""
    return lambda file: [sys.executable, "-c", f"file = {str(file)!r}\n{text}"]


def found_by(check: Callable[[str], Findings]) -> list[dict[str, Any]]:
    kept: list[dict[str, Any]] = []
    outcome.run(check, "cpu", lambda found: kept.append(dict(found)))
    return kept


def test_every_piece_is_kept_at_once_and_the_outcome_at_the_end() -> None:
    def check(device: str) -> Findings:
        yield {"device": device}
        yield {"figure": 2, "passed": True}

    assert found_by(check) == [
        {"device": "cpu"},
        {"device": "cpu", "figure": 2, "passed": True},
        {"device": "cpu", "figure": 2, "outcome": "passed"},
    ]


@pytest.mark.parametrize(
    ("error", "expected"), [(NotRunError("no NCCL"), "not run"), (ValueError("bad"), "failed")]
)
def test_an_error_leaves_a_reason_beside_what_was_found(error: Exception, expected: str) -> None:
    def check(device: str) -> Findings:
        yield {"figure": 1}
        raise error

    last = found_by(check)[-1]
    assert (last["figure"], last["outcome"]) == (1, expected)
    assert str(error) in last["reason"]


def has_ended(process: int) -> bool:
    command = ["ps", "-o", "stat=", "-p", str(process)]
    state = subprocess.run(command, capture_output=True, text=True).stdout.strip()
    return state[:1] in ("", "Z")


def test_a_check_that_hangs_is_ended_with_its_children_and_its_findings_stay() -> None:
    hang = """
import pathlib, subprocess, time
child = subprocess.Popen(["sleep", "600"])
pathlib.Path(file).write_text('{"child": %d}' % child.pid)
time.sleep(600)
"""
    for limit in (1, 5, 30):  # A busy machine takes a while to start it.
        found = tried("hang", limit, limit, program(hang))
        assert found["outcome"] == "failed"
        assert "not finished" in found["reason"]
        if "child" in found:
            break
    for _ in range(300):  # The end of a process that is killed takes a moment.
        if has_ended(found["child"]):
            return
        time.sleep(0.1)
    pytest.fail("The child continues.")


def test_a_check_with_less_than_its_time_is_not_run_rather_than_failed() -> None:
    assert tried("slow", 0.2, 10, program("import time; time.sleep(60)"))["outcome"] == "not run"


def test_a_check_that_crashes_has_failed() -> None:
    found = tried("crash", 30, 30, program("import os; os.abort()"))
    assert found["outcome"] == "failed"
    assert "status" in found["reason"]


@pytest.mark.parametrize(
    ("planned", "remaining", "expected"),
    [
        ([10, 20], 100, 80),  # What was saved may be spent.
        ([10, 20], 25, 10),  # Its own time, though the next will not fit.
        ([10, 20], 6, 6),  # A part of it.
        ([10, 20], 4, None),  # Not worth a start.
    ],
)
def test_time_is_dealt_out(planned: list[float], remaining: float, expected: float | None) -> None:
    assert limits(planned, remaining) == expected


def test_a_record_is_whole_after_every_check(tmp_path: Path) -> None:
    record = Record(tmp_path / "new", MACHINE)
    for name in ("one", "two"):
        record.add(name, {"outcome": "passed", "seconds": 1.0})
        content = json.loads(record.path.read_text())
        assert name in content["checks"]
        assert name in record.path.with_suffix(".md").read_text()
    assert {path.suffix for path in (tmp_path / "new").iterdir()} == {".json", ".md"}


def test_records_of_another_card_driver_or_code_are_not_merged(tmp_path: Path) -> None:
    Record(tmp_path, MACHINE).add("one", {"outcome": "passed", "seconds": 1.0})
    assert "one" in Record(tmp_path, MACHINE).content["checks"]
    assert Record(tmp_path, MACHINE | {"driver": "1.3"}).content["checks"] == {}
    assert Record(tmp_path, MACHINE | {"card": "Card 2"}).content["checks"] == {}


def test_the_plan_is_listed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["gpu-check", "--list"])
    assert main() == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == len(PLAN)
    assert all(PLAN[name].check.__doc__ for name in PLAN)


def test_a_run_on_the_cpu_writes_a_record_where_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = ["--device", "cpu", "--only", HEAD, "NCCL", "out of memory", "predictor of 8 sizes"]
    monkeypatch.setattr(sys, "argv", ["gpu-check", "--out", str(tmp_path), *options])
    assert main() == 0
    (path,) = tmp_path.glob("*.json")
    checks = json.loads(path.read_text())["checks"]
    assert [checks[name]["outcome"] for name in options[3:]] == [
        "passed",
        "not run",
        "not run",
        "passed",
    ]
    assert checks["NCCL"]["reason"] == "this check needs CuPy"


def test_goals_are_compared_with_the_figures_of_a_job() -> None:
    rows = {
        "mnn_gpu": {"median": 30e-6, "ratio": 1.0},
        "PyTorch eager": {"median": 1e-3, "ratio": 33.0},
    }
    for row in rows.values():
        row |= {"first_call": 1.0, "setup": 2.0}
    job = {"title": "a step", "contenders": rows, "left_out": {"JAX lax.scan": "no jax"}}
    checks = {"job c": {"outcome": "passed", "seconds": 1.0, "job": job}}
    page = report.page({**MACHINE, "date": "today", "checks": checks})
    assert "| a step | PyTorch eager | 40 | **missed** 33.00 |" in page
    assert "| a step | wall time | below 20 us | **missed** 30 us |" in page
    assert "JAX lax.scan was left out: no jax" in page


@pytest.mark.gpu
def test_a_check_on_a_gpu_is_recorded(tmp_path: Path) -> None:
    record = Record(tmp_path, MACHINE)
    command = [sys.executable, "-m", "scripts.gpu", "NCCL"]
    found = tried("NCCL", 60, 5, lambda file: [*command, str(file), "cuda"])
    record.add("NCCL", found)
    content = json.loads(record.path.read_text(encoding="utf-8"))
    # A machine may be without NCCL.
    assert content["checks"]["NCCL"]["outcome"] in ("passed", "not run")


def test_what_a_killed_run_found_is_whole_and_the_rest_is_not_reached(tmp_path: Path) -> None:
    names = ["predictor of 8 sizes", "recipes", "two ranks, one GPU"]
    command = [sys.executable, "-m", "scripts.gpu.check", "--device", "cpu", "--only", *names]
    with subprocess.Popen([*command, "--out", str(tmp_path)], cwd=ROOT, stdout=PIPE) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if names[0].encode() in line:
                break
        process.kill()
    (path,) = tmp_path.glob("*.json")
    checks = json.loads(path.read_text())["checks"]
    assert [checks[name]["outcome"] for name in (HEAD, names[0])] == ["passed", "passed"]
    assert [checks[name]["reason"] for name in names[1:]] == ["not reached", "not reached"]
    page = path.with_suffix(".md").read_text()
    assert all(name in page for name in names)


@pytest.mark.gpu
@pytest.mark.skipif(not IS_IN_FRONT, reason="scripts/test --cuda-standin was not asked for")
def test_a_dry_run_executes_checks_on_the_stand_in(tmp_path: Path) -> None:
    names = ["captured again", "out of memory", "same bits", "record recipe", "MIG slice"]
    command = [sys.executable, "-m", "scripts.gpu.check", "--only", *names, "--out", str(tmp_path)]
    refused = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert refused.returncode == 2
    assert "add --dry-run" in refused.stderr
    done = subprocess.run([*command, "--dry-run"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    (path,) = tmp_path.glob("*.json")
    assert path.name.startswith("dry-run-")
    content = json.loads(path.read_text())
    assert content["dry_run"] is True
    outcomes = [content["checks"][name]["outcome"] for name in names]
    assert outcomes == [*["passed"] * 4, "not run"]
