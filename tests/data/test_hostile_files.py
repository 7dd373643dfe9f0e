"""Untrusted files: harmful ones are refused, in bounded memory, and no code is executed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from mnn_gpu import DataError, ModelFileError, UsageError, load_dataset, load_model, plots
from mnn_gpu.data.columns import TableOptions
from mnn_gpu.data.csv.columns import csv_layout
from mnn_gpu.data.csv.diagnose import find_fault
from mnn_gpu.data.csv.stream import csv_pieces
from tests.support.fuzzing import judge
from tests.support.fuzzing.mutations import mutated
from tests.support.fuzzing.seeds import NAMES, seeds
from tests.support.hostile import HOSTILE, LARGE, model, npy, npz, png, read
from tests.support.program import run
from tests.support.repeats import REPEATS

READERS = ["d.csv", "d-idx3-ubyte", "d.npz", "d.parquet", "m.safetensors", "weights.npz", "p.png"]
SEEDS = seeds()
MOST_SECONDS = 5
"""Of processor time, for a small file that is damaged."""


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_files_are_refused_with_cause_and_cure(tmp_path: Path, name: str) -> None:
    make, message = HOSTILE[name]
    (tmp_path / name).write_bytes(make())
    with pytest.raises((DataError, ModelFileError), match=message) as caught:
        read(tmp_path / name)
    assert name in caught.value.cause
    assert len(caught.value.cause) < 1000
    assert caught.value.cure
    assert [path.name for path in tmp_path.iterdir()] == [name]


CHILD = """
import sys
from pathlib import Path
from scripts.benchmarks.worker import peak_memory
from tests.support.hostile import read
for path in map(Path, sys.argv[1:]):
    try:
        read(path)
    except ValueError as error:
        assert path.name in str(error)
print(peak_memory())
"""


def test_all_of_them_together_take_less_than_a_gigabyte(tmp_path: Path) -> None:
    for name, (make, _) in HOSTILE.items():
        (tmp_path / name).write_bytes(make())
    # The largest images that are accepted, with many bytes per pixel.
    (tmp_path / "gray.png").write_bytes(png(7000, 7000, 16))
    (tmp_path / "alpha.png").write_bytes(png(7000, 7000, 8, 6))
    result = subprocess.run(
        [sys.executable, "-c", CHILD, *tmp_path.iterdir()],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    assert int(result.stdout) < 1e9


@pytest.mark.parametrize("name", READERS)
@pytest.mark.parametrize("kind", ["pipe", "device", "dangling", "loop", "folder", "long", "null"])
def test_special_files_are_refused_without_opening_them(
    tmp_path: Path, name: str, kind: str
) -> None:
    path = tmp_path / name
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    elif kind == "long":
        path = tmp_path / ("x" * 5000 + name)
    elif kind == "null":
        path = tmp_path / ("\0" + name)
    else:
        path.symlink_to({"device": "/dev/zero", "dangling": "nothing", "loop": name}[kind])
    with pytest.raises((DataError, ModelFileError)) as caught:
        read(path)
    assert str(path) in caught.value.cause


def test_a_pair_of_pipes_is_refused(tmp_path: Path) -> None:
    for name in ("images-idx3-ubyte", "labels-idx1-ubyte"):
        os.mkfifo(tmp_path / name)
    with pytest.raises(DataError, match="not a regular file"):
        load_dataset([tmp_path / "images-idx3-ubyte", tmp_path / "labels-idx1-ubyte"])


def test_a_link_to_a_valid_file_is_followed(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("label,p\n1,2\n")
    (tmp_path / "d.csv").symlink_to("data")
    assert load_dataset(tmp_path / "d.csv").X.tolist() == [[2]]


def test_highly_compressible_data_are_read_once_unpacked(tmp_path: Path) -> None:
    X = np.zeros((LARGE // 100, 100), np.uint8)
    (tmp_path / "packed.npz").write_bytes(npz({"x_train.npy": npy(X)}))
    with pytest.raises(DataError, match="far more than it holds") as caught:
        load_dataset(tmp_path / "packed.npz", labelled=False)
    assert "numpy.savez" in caught.value.cure
    np.savez(tmp_path / "plain.npz", x_train=X)
    assert load_dataset(tmp_path / "plain.npz", labelled=False).X.shape == X.shape


@pytest.mark.parametrize("losses", [[10**400, 1], [1e308, 1], ["1", 2], [None, 1], {"0": 1}])
def test_a_model_s_training_history_is_validated_before_it_is_drawn(
    tmp_path: Path, losses: object
) -> None:
    history = {"epoch": [1, 2], "loss": losses, "accuracy": [0.5, 0.6]}
    text = json.dumps({"history": history})
    (tmp_path / "m.safetensors").write_bytes(model(info=text))
    with pytest.raises(UsageError, match="loss is not a list of numbers"):
        plots.history(load_model(tmp_path / "m.safetensors"))


def test_a_csv_file_truncated_during_reading_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "d.csv"
    path.write_text("label,p\n1,2\n")
    layout = csv_layout(path, TableOptions())
    path.write_text("")
    assert list(csv_pieces(path, layout, None)) == []
    fault = find_fault(path, layout)
    assert "d.csv cannot be read as CSV" in fault.cause


def test_control_characters_in_files_do_not_reach_the_terminal(tmp_path: Path) -> None:
    (tmp_path / "d.csv").write_text("\x1b[2Jlabel,p\r\n\x07,300\n")
    result = run("evaluate", "record", "--data", "d.csv", cwd=tmp_path)
    assert result.returncode == 4
    assert "\\x1b[2Jlabel" in result.stderr
    assert "\x1b" not in result.stderr


@pytest.mark.parametrize(
    ("name", "command"),
    [
        ("claim.parquet", ("evaluate", "record", "--data")),
        ("length.safetensors", ("evaluate",)),
        ("weights-pickle.npz", ("import",)),
        ("scans.jpg", ("predict", "record")),
    ],
)
def test_the_command_reports_the_error_and_exits_with_4(
    tmp_path: Path, name: str, command: tuple[str, ...]
) -> None:
    (tmp_path / name).write_bytes(HOSTILE[name][0]())
    result = run(*command, name, *["out"] * (command[0] == "import"), cwd=tmp_path)
    assert result.returncode == 4
    assert f"error: {name}" in result.stderr
    assert "cure: " in result.stderr


@pytest.mark.parametrize("kind", NAMES)
@given(seed=st.integers(0, 2**32))
@settings(
    deadline=None,
    max_examples=30 * REPEATS,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_a_damaged_file_is_refused_or_read_as_stored(tmp_path: Path, kind: str, seed: int) -> None:
    random = Random(seed)
    content, other = random.choice(SEEDS[kind]), random.choice(SEEDS[kind])
    path = tmp_path / NAMES[kind]
    path.write_bytes(mutated(random, kind, content, other))
    outcome, detail, seconds = judge.judged(kind, path)
    event(outcome)
    assert outcome in ("refused", "accepted"), detail
    assert seconds < MOST_SECONDS


@pytest.mark.parametrize("kind", NAMES)
def test_undamaged_files_are_accepted(tmp_path: Path, kind: str) -> None:
    for content in SEEDS[kind]:
        path = tmp_path / NAMES[kind]
        path.write_bytes(content)
        outcome, detail, _ = judge.judged(kind, path)
        assert outcome == "accepted", detail


def test_the_shipped_model_is_not_hidden_by_a_pipe_of_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    os.mkfifo("record")
    shape: Any = load_model("record").layer_sizes
    assert shape[0] == 784


@pytest.mark.parametrize("kind", ["CSV", "npz", "model 2", "PNG"])
def test_the_fuzzer_detects_a_wrong_reader(
    tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / NAMES[kind]
    path.write_bytes(SEEDS[kind][0])
    right = judge.value

    def wrong(kind: str, path: Path) -> list[Any]:
        first, *others = right(kind, path)
        changed = np.array(first)
        changed.flat[0] = 8 if changed.flat[0] == 7 else 7
        return [changed, *others]

    monkeypatch.setattr(judge, "value", wrong)
    assert judge.judged(kind, path)[0] == "wrong"
    monkeypatch.setattr(judge, "value", lambda *_: 1 / 0)
    assert judge.judged(kind, path)[0] == "tracebacks"
