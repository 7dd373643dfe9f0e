"""`train --dry-run`: what it prints, and that it writes nothing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mnn_gpu.cli import dry_run
from mnn_gpu.cli.dry_run import duration
from tests.support.program import run


@pytest.fixture(autouse=True)
def _short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dry_run, "SECONDS", 0.01)


@pytest.fixture
def data(tmp_path: Path, images: dict[str, Any]) -> Path:
    np.savez(tmp_path / "d.npz", x_train=images["X"], y_train=images["y"])
    return tmp_path / "d.npz"


def files(folder: Path) -> dict[str, bytes]:
    return {str(p): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


OPTIONS = ("--hidden", 4, "--holdout", 3, "--batch-size", 9, "--epochs", 7)


def test_it_prints_what_the_run_will_need_and_writes_nothing(tmp_path: Path, data: Path) -> None:
    before = files(tmp_path)
    result = run("train", "--data", data, *OPTIONS, "--dry-run", cwd=tmp_path)
    assert (result.returncode, result.stderr) == (0, "")
    lines = result.stdout.splitlines()
    assert lines[:4] == [
        "network  12-4-3, 67 parameters",
        "data     27 rows to train on, 3 held out",
        "steps    21 of 9 rows; 7 epochs in all",
        "FLOP     2.38 kFLOP a step, 49.9 kFLOP in all, in matrix products",
    ]
    heading = "device set-up a step training scoring in all memory on GPU"
    assert " ".join(lines[5].split()) == heading
    assert lines[6].startswith("cpu (numpy) ")
    assert lines[-1] == "Measured with the first steps of the run. Nothing was written."
    assert max(map(len, lines)) <= 80
    assert files(tmp_path) == before


def test_as_json_it_has_the_same_figures(tmp_path: Path, data: Path) -> None:
    result = run("train", "--data", data, *OPTIONS, "--dry-run", "--json", cwd=tmp_path)
    report = json.loads(result.stdout)
    assert report["parameters"] == 67
    assert report["flop"] == 27 * 7 * 2 * (3 * (12 * 4 + 4 * 3) - 12 * 4)
    assert report["auto"] is None  # MNN_DEVICE names the CPU.
    figures = report["devices"]["cpu"]
    assert figures["total"] > figures["training"] > 0
    assert figures["host_bytes"] > 30 * 12
    assert figures["device_bytes"] == 0


def test_auto_measures_the_devices_that_are_present(tmp_path: Path, data: Path) -> None:
    from mnn_gpu.backends.gpu_probe import visible_gpus

    options = (*OPTIONS, "--dry-run", "--json", "--device", "auto")
    report = json.loads(run("train", "--data", data, *options, cwd=tmp_path).stdout)
    assert list(report["devices"]) == ["cpu", *(f"cuda:{i}" for i in range(visible_gpus()))]
    assert report["auto"] in report["devices"]


@pytest.mark.parametrize("more", [("--target-accuracy", 0.9), ("--patience", 3)])
def test_a_run_that_may_end_early_has_an_upper_bound(
    tmp_path: Path, data: Path, more: tuple[Any, ...]
) -> None:
    text = run("train", "--data", data, *OPTIONS, *more, "--dry-run", cwd=tmp_path).stdout
    assert "At most: the run ends earlier if its accuracy allows." in text


def test_the_rest_of_a_resumed_run(tmp_path: Path, data: Path) -> None:
    options = ("--data", data, *OPTIONS, "--checkpoint", tmp_path / "c")
    assert run("train", *options, "-q", cwd=tmp_path).returncode == 0
    before = files(tmp_path)
    (newest, *_) = sorted((tmp_path / "c").glob("*.safetensors"), reverse=True)
    newest.unlink()
    before.pop(str(newest))
    result = run("train", *options, "--resume", "--dry-run", cwd=tmp_path)
    assert "steps    3 (18 are done) of 9 rows; 7 epochs in all" in result.stdout
    result = run("train", *options, "--resume", "--dry-run", "--lr", 0.3, cwd=tmp_path)
    assert result.returncode == 2
    assert "learning_rate" in result.stderr
    assert files(tmp_path) == before


def test_a_folder_for_checkpoints_is_not_made(tmp_path: Path, data: Path) -> None:
    options = (*OPTIONS, "--checkpoint", tmp_path / "c", "--out", tmp_path / "n" / "m")
    result = run("train", "--data", data, *options, "--dry-run", "--resume", cwd=tmp_path)
    assert result.returncode == 0
    assert {path.name for path in tmp_path.iterdir()} == {"d.npz"}


def test_data_on_the_disk_are_measured_as_they_are_read(tmp_path: Path, data: Path) -> None:
    assert run("convert", data, tmp_path / "f").returncode == 0
    before = files(tmp_path)
    result = run("train", "--data", tmp_path / "f", *OPTIONS, "--dry-run", cwd=tmp_path)
    assert "data     27 rows to train on, 3 held out" in result.stdout
    assert files(tmp_path) == before


def test_wrong_options_and_a_run_that_diverges_are_errors_as_in_training(
    tmp_path: Path, data: Path
) -> None:
    start = ("train", "--data", data, "--dry-run")
    assert run(*start, "--resume", cwd=tmp_path).returncode == 2
    assert run(*start, "--data", "none.csv", cwd=tmp_path).returncode == 4
    result = run(*start, *OPTIONS, "--lr", 1e38, cwd=tmp_path)
    assert (result.returncode, result.stdout) == (5, "")


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (8.26e-5, "0.08 ms"),
        (0.0123, "12.30 ms"),
        (1.44, "1.4 s"),
        (100, "1.7 min"),
        (7200, "2.0 h"),
    ],
)
def test_times_have_units(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_several_ranks_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from mnn_gpu.distributed.process_group import ProcessGroup

    monkeypatch.setattr(ProcessGroup, "size", 2)
    result = run("train", "--dry-run", cwd=tmp_path)
    assert (result.returncode, result.stdout) == (2, "")
    assert "without mpiexec" in result.stderr
