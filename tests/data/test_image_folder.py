"""Folders of class folders of images: read in a fixed order, trained on, evaluated, predicted."""

from __future__ import annotations

import csv
import io
import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from mnn_gpu import DataError, load_dataset, save_model, train
from mnn_gpu.cli.main import main
from mnn_gpu.data.convert import convert
from tests.support.program import run

FILES = ("2.png", "10.png", "b.bmp", "b.PNG")


def write(root: Path, classes: Mapping[str, Any], files: tuple[str, ...] = FILES) -> Path:
    """Write an image with random gray levels for each class and file name."""
    rng = np.random.default_rng(0)
    for name, size in classes.items():
        (root / name).mkdir(parents=True)
        for file in files:
            Image.fromarray(rng.integers(0, 256, size, np.uint8)).save(root / name / file)
    return root


def read(path: Path) -> Any:
    return np.asarray(Image.open(path)).reshape(-1)


def test_names_determine_class_and_order(tmp_path: Path) -> None:
    root = write(tmp_path / "d", {"10": (3, 4), "2": (3, 4)})
    (root / "2/notes.txt").write_text("not an image")
    (root / "2/.hidden.png").write_text("not an image")
    (root / "empty").mkdir()
    data = load_dataset(root)
    assert data.labels().tolist() == [2] * 4 + [10] * 4
    assert data.image_shape == (3, 4)
    expected = [read(root / kind / file) for kind in ("2", "10") for file in sorted_files()]
    np.testing.assert_array_equal(data.X, expected)
    convert(root, tmp_path / "converted")
    np.testing.assert_array_equal(load_dataset(tmp_path / "converted").X, data.X)


def sorted_files() -> list[str]:
    return ["2.png", "10.png", "b.PNG", "b.bmp"]


@pytest.mark.parametrize(("train", "test"), [("train", "test"), ("training", "testing")])
def test_parts_are_folders_above_the_classes(tmp_path: Path, train: str, test: str) -> None:
    root = write(tmp_path / "d", {f"{train}/cat": (2, 2), f"{train}/dog": (2, 2)})
    write(root, {f"{test}/cat": (2, 2)}, ("a.png",))
    assert load_dataset(root).labels().tolist() == ["cat"] * 4 + ["dog"] * 4
    assert load_dataset(root, "test").labels().tolist() == ["cat"]
    assert len(load_dataset(root / test)) == 1


def test_errors_name_the_file(tmp_path: Path) -> None:
    root = write(tmp_path / "d", {"0": (2, 2), "1": (2, 3)}, ("a.png",))
    with pytest.raises(DataError, match=r"1/a.png is an image of 2 x 3 pixels") as caught:
        load_dataset(root)
    assert "one size" in caught.value.cure
    (root / "1/a.png").write_bytes(b"not an image")
    with pytest.raises(DataError, match=r"1/a.png is not an image"):
        load_dataset(root)
    Image.fromarray(np.full((2, 2), 60_000, np.uint16)).save(root / "1/a.png")
    with pytest.raises(DataError, match=r"1/a.png has 16 bits per pixel"):
        load_dataset(root)


def test_a_bomb_of_images_is_refused(tmp_path: Path) -> None:
    (tmp_path / "d/0").mkdir(parents=True)
    for i in range(20):
        Image.fromarray(np.zeros((2000, 2000), np.uint8)).save(tmp_path / f"d/0/{i}.png")
    with pytest.raises(DataError, match="unpack to far more"):
        load_dataset(tmp_path / "d")


def test_the_commands_train_evaluate_and_predict(tmp_path: Path) -> None:
    for name, value in (("cat", 0), ("dog", 255)):
        (tmp_path / "d" / name).mkdir(parents=True)
        for i in range(20):
            Image.fromarray(np.full((4, 4), value, np.uint8)).save(tmp_path / f"d/{name}/{i}.png")
    options = ["--hidden", "4", "--iterations", "200", "--lr", "0.5", "--out", "m.safetensors"]
    assert run("train", "--data", "d", *options, cwd=tmp_path).returncode == 0
    result = run("evaluate", "m.safetensors", "--data", "d", "--json", cwd=tmp_path)
    assert json.loads(result.stdout)["errors"] == 0
    result = run("predict", "m.safetensors", "d", "--json", cwd=tmp_path)
    assert json.loads(result.stdout)["labels"] == ["cat"] * 20 + ["dog"] * 20


@pytest.fixture
def trained(tmp_path: Path) -> Path:
    root = write(tmp_path / "d", {"10": (28, 28), "2": (28, 28)})
    data = load_dataset(root)
    save_model(tmp_path / "m", train(data.X, data.labels())[0])
    return root


def test_predictions_list_the_files(
    tmp_path: Path, trained: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model, names = str(tmp_path / "m"), [f"{c}/{f}" for c in ("2", "10") for f in sorted_files()]
    assert load_dataset(trained).files == tuple(names)
    assert load_dataset(trained).take(np.array([5, 0])).files == ("10/10.png", "2/2.png")
    (trained / "2/b.PNG").rename(trained / "2/a, b.PNG")
    names[2] = "2/a, b.PNG"
    assert main(["predict", model, str(trained)]) == 0
    rows = list(csv.reader(io.StringIO(capsys.readouterr().out)))
    assert rows[0] == ["File", "Label"]
    assert {row[0] for row in rows[1:]} == set(names)
    assert {row[1] for row in rows[1:]} <= {"2", "10"}
    assert main(["predict", model, str(trained), "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert [[f, str(of)] for f, of in zip(report["files"], report["labels"], strict=True)] == rows[
        1:
    ]


@pytest.mark.parametrize("within", ["", "/d/2/2.png"])
@pytest.mark.parametrize("command", ["train", "predict"])
def test_images_in_an_archive_must_be_unpacked(
    tmp_path: Path,
    trained: Path,
    command: str,
    within: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    given = shutil.make_archive(str(tmp_path / "z"), "zip", tmp_path, trained.name) + within
    options = ["--data", given] if command == "train" else [str(tmp_path / "m"), given]
    assert main([command, *options]) == 4
    assert "unpack" in capsys.readouterr().err.lower()


def test_images_without_classes_have_a_cure_for_each_command(
    tmp_path: Path, trained: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["predict", str(tmp_path / "m"), str(trained / "2")]) == 4
    stderr = capsys.readouterr().err
    assert f"mnn-gpu predict MODEL {trained / '2'}/*" in stderr
    assert "one folder per class" in stderr
