"""`mnn-gpu predict` for images, through real processes."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import mnn_gpu
from tests.support.handwriting.strokes import inked, written
from tests.support.program import run


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a three and a long-named seven, neatly written."""
    folder = tmp_path_factory.mktemp("images")
    for digit, way, name in ((3, "round", "a.png"), (7, "plain", "my seven.jpeg")):
        rng = np.random.default_rng(2)
        coverage = inked(written(digit, way, rng), (150, 150), (50, 30), 90, 9, rng)
        Image.fromarray(np.rint(255 * (1 - coverage)).astype(np.uint8)).save(folder / name)
    Image.new("L", (50, 50), 255).save(folder / "empty.png")
    return folder


def test_each_file_gets_a_line_with_digit_and_probability(folder: Path) -> None:
    result = run("predict", "record", "a.png", "my seven.jpeg", cwd=folder)
    assert (result.returncode, result.stderr) == (0, "")
    first, second = result.stdout.splitlines()
    assert len(first) == len(second)
    assert first.startswith("a.png          3  ")
    assert second.startswith("my seven.jpeg  7  ")
    assert first.endswith("%")


def test_one_image_is_recognized_by_its_name_and_json_has_all_probabilities(folder: Path) -> None:
    result = run("predict", "record", "a.png", "--json", cwd=folder)
    (prediction,) = json.loads(result.stdout)["pictures"]
    model = mnn_gpu.load_model("record")
    X = mnn_gpu.prepare_digit(folder / "a.png")[None]
    expected = mnn_gpu.predict_proba(model, X, mnn_gpu.select_backend("cpu"))[0]
    assert (prediction["file"], prediction["label"]) == ("a.png", 3)
    np.testing.assert_allclose(list(prediction["probabilities"].values()), expected, rtol=1e-5)
    assert prediction["probability"] == prediction["probabilities"]["3"]


def test_predictions_are_saved_as_csv_and_shown_on_a_sheet(folder: Path, tmp_path: Path) -> None:
    out, sheet = tmp_path / "answers.csv", tmp_path / "seen"
    result = run(
        *("predict", "record", "a.png", "my seven.jpeg", "-o", out, "--show", sheet), cwd=folder
    )
    assert (result.returncode, result.stdout) == (0, "")
    with out.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["File"], row["Label"]) for row in rows] == [("a.png", "3"), ("my seven.jpeg", "7")]
    assert all(0 < float(row["Probability"]) <= 1 for row in rows)
    with Image.open(sheet) as image:
        assert image.format == "PNG"
        # It contains the network's input, enlarged but otherwise unchanged.
        seen = np.asarray(image.convert("L"))
    digit = mnn_gpu.prepare_digit(folder / "a.png").repeat(5, axis=0).repeat(5, axis=1)
    windows = np.lib.stride_tricks.sliding_window_view(seen, digit.shape)[::1, ::1]
    assert any(
        (windows[i, j] == digit).all()
        for i, j in np.argwhere(windows[..., 70, 70] == digit[70, 70])
    )


BAD = ("a.png", "empty.png", "broken.png", "none.png", "my seven.jpeg")


def test_unreadable_images_are_reported_after_the_predictions_for_the_others(
    folder: Path, tmp_path: Path
) -> None:
    (folder / "broken.png").write_bytes((folder / "a.png").read_bytes()[:60])
    result = run("predict", "record", *BAD, "--show", tmp_path / "seen.png", cwd=folder)
    assert result.returncode == 4
    assert [line.split("  ")[0].strip() for line in result.stdout.splitlines()] == [
        "a.png",
        "my seven.jpeg",
    ]
    for message in (
        "empty.png contains no drawing",
        "broken.png cannot",
        "no file or folder none.png",
    ):
        assert message in result.stderr
    assert result.stderr.count("cure: ") == 3
    assert result.stderr.endswith("3 of 5 images could not be read.\n")
    with Image.open(tmp_path / "seen.png") as sheet:
        assert sheet.width > 300


def test_unreadable_images_are_in_the_json_and_not_in_the_table(
    folder: Path, tmp_path: Path
) -> None:
    out = tmp_path / "answers.csv"
    result = run("predict", "record", *BAD[:2], "--json", "-o", out, cwd=folder)
    assert result.returncode == 4
    report = json.loads(result.stdout)
    assert [prediction["file"] for prediction in report["pictures"]] == ["a.png"]
    (failure,) = report["failures"]
    assert failure["file"] == "empty.png"
    assert "no drawing" in failure["error"]
    assert failure["cure"]
    assert [line.split(",")[0] for line in out.read_text().splitlines()] == ["File", "a.png"]


def test_without_readable_images_no_file_is_written(folder: Path, tmp_path: Path) -> None:
    out, sheet = tmp_path / "answers.csv", tmp_path / "seen.png"
    args = ("predict", "record", *BAD[1:4], "-o", out, "--show", sheet, "--json")
    result = run(*args, cwd=folder)
    assert result.returncode == 4
    report = json.loads(result.stdout)
    assert report["pictures"] == []
    assert [failure["file"] for failure in report["failures"]] == list(BAD[1:4])
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("args", "code", "message"),
    [
        (("record", "empty.png"), 4, "empty.png contains no drawing"),
        (("record", "empty.png", "none.png"), 4, "empty.png contains no drawing"),
        (("record", "none.png"), 4, "There is no file or folder none.png"),
        (("record", "a.csv", "b.csv"), 4, "There is no file or folder a.csv"),
        (("small.safetensors", "a.png"), 4, "The model takes images of 12 pixels"),
        (("record", "a.png", "--label-column", "y"), 2, "--label-column"),
        (("record", "a.png", "--show", "none/seen.png"), 4, "cannot be written"),
        (("record", "a.png", "-o", "none/answers.csv"), 4, "cannot be written"),
    ],
)
def test_invalid_calls_are_reported(
    folder: Path, images: dict[str, Any], args: tuple[str, ...], code: int, message: str
) -> None:
    config = mnn_gpu.TrainingConfig(hidden=(4,), iterations=1)
    backend = mnn_gpu.select_backend("cpu")
    model, _ = mnn_gpu.train(images["X"], images["y"], config, backend=backend)
    mnn_gpu.save_model(folder / "small.safetensors", model)
    result = run("predict", *args, cwd=folder)
    assert (result.returncode, result.stdout) == (code, "")
    assert message in result.stderr
    assert "cure:" in result.stderr
