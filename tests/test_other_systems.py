"""The main commands on a stand-in for Windows, and names of files that every system takes."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mnn_gpu import load_model
from mnn_gpu.cli import paths
from mnn_gpu.data.npy_folder.index import INDEX, images_name, labels_name
from mnn_gpu.data.npy_folder.npy_writer import PART
from mnn_gpu.storage import atomic_write, folder_lock

ROOT = Path(__file__).parents[1]
Results = dict[str, dict[str, Any]]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("windows")
    rng = np.random.default_rng(0)
    y = np.arange(60) % 3
    rows = np.column_stack([y, rng.integers(0, 60, (60, 6)) + 60 * y[:, None]])
    text = "label,a,b,c,d,e,f\n" + "".join(",".join(map(str, row)) + "\n" for row in rows)
    for name in ("digits.csv", "[a] 1.csv", "\u6570.csv"):
        (folder / name).write_bytes(text.replace("\n", "\r\n").encode())
    return folder


@pytest.fixture(scope="module")
def results(folder: Path) -> Results:
    """Run the commands in one process: it imports NumPy once."""
    if not Path("/proc/self/fd").exists():
        pytest.skip("The stand-in for Windows needs Linux.")
    to = folder / "results.json"
    done = subprocess.run(
        [sys.executable, "-m", "tests.support.windows", to],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT), "MNN_DEVICE": "cpu", "TMPDIR": str(folder)},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert to.exists(), done.stderr
    found: Results = json.loads(to.read_text(encoding="utf-8"))
    return found


@pytest.mark.parametrize(
    ("command", "printed"),
    [
        ("train", "held-out accuracy"),
        ("resume", "held-out accuracy"),
        ("evaluate", "digits.csv: "),
        ("predict", ""),
        ("a name outside the code page", "\\u6570.csv: "),
        ("export", "exported to weights.npz"),
        ("convert", "converted"),
        ("devices", "--device auto selects cpu"),
        ("help", "usage: mnn-gpu"),
    ],
)
def test_a_command_on_windows(results: Results, command: str, printed: str) -> None:
    assert results[command]["code"] == 0, results[command]["err"]
    assert printed in results[command]["out"]


def test_patterns_are_expanded_where_the_shell_does_not(results: Results, folder: Path) -> None:
    assert len((folder / "labels.csv").read_bytes().splitlines()) == 61
    assert results["no such pattern"]["code"] == 4
    assert "There is no file or folder none*.csv" in results["no such pattern"]["err"]


def test_elsewhere_patterns_are_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("b.png", "a.png", "[x].png"):
        Path(name).touch()
    words = ["predict", "--show=*.png", "*.png", "[x].png", "[ab].png", "?.jpg"]
    assert paths.expanded(words) == words
    monkeypatch.setattr(sys, "platform", "win32")
    names = ["[x].png", "a.png", "b.png"]
    assert paths.expanded(words) == [*words[:2], *names, *words[3:]]


def test_a_folder_in_use_is_refused_and_keeps_its_files(results: Results) -> None:
    assert results["two runs"]["code"] == 2
    assert "Another run is using the folder run" in results["two runs"]["err"]
    assert results["two runs"]["kept"]


def test_a_model_that_another_program_has_open_is_not_lost(results: Results, folder: Path) -> None:
    result = results["open model"]
    assert result["code"] == 4
    assert "another program has it open" in result["err"]
    (place,) = folder.glob("mnn_gpu-*/model.safetensors")
    assert str(place) in result["err"]
    for path in (place, folder / "model.safetensors"):
        assert load_model(path).info["iterations"] == 6
    assert not list(folder.glob(".model*"))


def test_closing_the_console_saves(results: Results, folder: Path) -> None:
    result = results["closing the console"]
    assert result["code"] == 128 + signal.SIGUSR1, result["err"]
    assert "saving the current parameters" in result["err"]
    assert load_model(folder / "night.safetensors").info["iterations"] > 0
    assert list((folder / "night").glob("checkpoint-*"))


@pytest.mark.parametrize("command", ["closed pipe", "closed pipe of the help"])
def test_a_closed_pipe_is_quiet(results: Results, command: str) -> None:
    assert (results[command]["code"], results[command]["err"]) == (0, "")


@pytest.mark.parametrize("command", ["full disk", "full disk for the help"])
def test_other_errors_of_stdout_are_reported(results: Results, command: str) -> None:
    assert results[command]["code"] == 4
    assert "The result cannot be printed (No space left on device)" in results[command]["err"]


# ---- names of files --------------------------------------------------------------------

RESERVED = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)


def faults(name: str) -> list[str]:
    """Return the parts of a path that are no names on Windows."""
    return [
        part
        for part in name.split("/")
        if RESERVED.fullmatch(part) or part.endswith((".", " ")) or re.search(r'[<>:"\\|?*]', part)
    ]


@pytest.mark.parametrize("name", ["a/aux.py", "NUL", "com1.csv", "x./y", "a:b", "what?"])
def test_faults_are_found(name: str) -> None:
    assert faults(name)


def test_every_name_in_the_repository_is_one_on_every_system() -> None:
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    names = listed.stdout.split("\0")
    assert not [name for name in names if faults(name)]
    assert len({name.casefold() for name in names}) == len(names)


def test_every_name_that_the_program_writes_is_one_on_every_system(folder: Path) -> None:
    own = [
        *(folder_lock.NAME, INDEX, images_name(0), labels_name(0) + PART),
        atomic_write._prefix(Path("checkpoint-000000001.safetensors")) + "0f",
        *(str(path.relative_to(folder)) for path in folder.rglob("*")),
    ]
    assert not [name for name in own if faults(name)]
