"""Images that are stored transposed, as in EMNIST: oriented as the model's training data."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mnn_gpu import DataError, Dataset, load_dataset, load_model, open_blocks
from mnn_gpu.data.convert import convert
from mnn_gpu.data.idx import idx_header
from mnn_gpu.data.transposed import transposed
from tests.support.program import run


def upright(rows: int = 60) -> tuple[Any, Any]:
    """Return images with a bright line, and the index of its position."""
    y = np.arange(rows) % 4
    X = np.random.default_rng(0).integers(0, 60, (rows, 4, 3), np.uint8)
    X[np.arange(rows), y] = 255
    return X, y


def write(folder: Path, name: str, X: Any, y: Any) -> None:
    for kind, array in (("images-idx3", X), ("labels-idx1", y.astype(np.uint8))):
        content = idx_header(array.shape) + np.ascontiguousarray(array).tobytes()
        (folder / f"{name}-{kind}-ubyte").write_bytes(content)


def test_rows_and_columns_are_exchanged(tmp_path: Path) -> None:
    X, y = upright()
    write(tmp_path, "a", X.swapaxes(1, 2), y)
    data = transposed(load_dataset(tmp_path))
    np.testing.assert_array_equal(data.X, X.reshape(len(X), -1))
    assert data.image_shape == (4, 3)
    convert(tmp_path, tmp_path / "converted", rows_per_file=25)
    stored = open_blocks(tmp_path / "converted")
    blocks = transposed(stored)
    np.testing.assert_array_equal(blocks.read(1, 2, 20)[0], data.X[27:45])
    assert blocks.image_shape == (4, 3)
    assert blocks.digest != stored.digest
    assert blocks.classes.tolist() == [0, 1, 2, 3]


def test_images_of_unknown_shape_are_assumed_square() -> None:
    data = Dataset(np.arange(8, dtype=np.uint8).reshape(2, 4), None, "some")
    assert transposed(data).X.tolist() == [[0, 2, 1, 3], [4, 6, 5, 7]]
    with pytest.raises(DataError, match="6 pixels, which is not a square number"):
        transposed(Dataset(np.zeros((2, 6), np.uint8), None, "some"))


@pytest.mark.parametrize("streamed", [False, True])
def test_the_model_stores_the_orientation(tmp_path: Path, streamed: bool) -> None:
    X, y = upright()
    for name, images in (("upright", X), ("turned", X.swapaxes(1, 2))):
        (tmp_path / name).mkdir()
        write(tmp_path / name, "a", images, y)
    data = "turned"
    if streamed:
        convert(tmp_path / "turned", tmp_path / "converted")
        data = "converted"
    options = ["--hidden", "8", "--epochs", "60", "--lr", "0.5", "--out", "m.safetensors"]
    options += ["--batch-size", "27"]
    result = run("train", "--data", data, "--transpose", *options, cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert load_model(tmp_path / "m.safetensors").info["transpose"] is True
    for path, more in ((data, ()), ("turned", ()), ("upright", ("--no-transpose",))):
        arguments = ("m.safetensors", "--data", path, *more, "--json")
        assert json.loads(run("evaluate", *arguments, cwd=tmp_path).stdout)["errors"] == 0
        arguments = ("m.safetensors", path, *more, "--json")
        labels = json.loads(run("predict", *arguments, cwd=tmp_path).stdout)["labels"]
        assert labels == y.tolist()
    result = run("evaluate", "m.safetensors", "--data", "upright", "--json", cwd=tmp_path)
    assert json.loads(result.stdout)["errors"] > 0


def test_image_files_and_the_bundled_data_are_not_transposed(tmp_path: Path) -> None:
    assert run("train", "--transpose", "--out", "m", cwd=tmp_path).returncode == 2
    assert run("predict", "record", "a.png", "--transpose", cwd=tmp_path).returncode == 2
