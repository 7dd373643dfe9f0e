"""Class names: from the data through the model file to predictions."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from mnn_gpu import (
    DataError,
    Model,
    UsageError,
    evaluate,
    load_dataset,
    load_model,
    open_blocks,
    plots,
    predict,
    save_model,
    train,
)
from mnn_gpu.data.convert import convert
from mnn_gpu.data.labels import checked_labels
from mnn_gpu.interop import export_model, import_model
from mnn_gpu.interop.web_page import write_page
from mnn_gpu.training.config import TrainingConfig
from tests.support.program import run

NAMES = ["a $b$", "cat", 'dog, "big"', "é"]
CONFIG = TrainingConfig(hidden=(8,), epochs=200, learning_rate=0.5)


def sample(rows: int = 40, features: int = 16) -> tuple[Any, Any]:
    """Return images with easily separable classes, and class names."""
    index = np.arange(rows) % len(NAMES)
    X = np.random.default_rng(0).integers(0, 60, (rows, features), np.uint8)
    X[np.arange(rows), index] = 255
    return X, np.array(NAMES)[index]


@pytest.fixture(scope="module")
def model() -> Model:
    return train(*sample(), CONFIG)[0]


def test_a_model_predicts_class_names(model: Model, tmp_path: Path) -> None:
    X, y = sample()
    assert model.classes.tolist() == sorted(NAMES)
    np.testing.assert_array_equal(predict(model, X), y)
    assert evaluate(model, X, y).accuracy == 1
    save_model(tmp_path / "m.safetensors", model)
    np.testing.assert_array_equal(predict(load_model(tmp_path / "m.safetensors"), X), y)


def test_class_names_give_the_same_model_as_numbers(model: Model) -> None:
    X, y = sample()
    index = np.unique(y, return_inverse=True)[1]
    numbered = train(X, index, CONFIG)[0]
    np.testing.assert_array_equal(model.theta, numbered.theta)


def write(path: Path, X: Any, y: Any) -> Path:
    frame = pd.DataFrame(X, columns=[f"p{i}" for i in range(X.shape[1])])
    frame.insert(0, "label", y)
    if path.suffix == ".npz":
        np.savez(path, x_train=X, y_train=np.array(y, str))
    elif path.suffix == ".csv":
        frame.to_csv(path, index=False)
    else:
        frame.to_parquet(path)
    return path


@pytest.mark.parametrize("ending", [".csv", ".parquet", ".npz"])
def test_every_reader_accepts_class_names(tmp_path: Path, ending: str) -> None:
    X, y = sample()
    data = load_dataset(write(tmp_path / f"d{ending}", X, y))
    np.testing.assert_array_equal(data.X, X)
    np.testing.assert_array_equal(data.labels(), y)


@pytest.mark.parametrize("ending", [".csv", ".parquet", ".npz"])
def test_class_names_are_refused_in_blocks(tmp_path: Path, ending: str) -> None:
    path = write(tmp_path / f"d{ending}", *sample())
    with pytest.raises(DataError, match="class names as labels"):
        convert(path, tmp_path / "converted")
    assert not (tmp_path / "converted").exists()
    if ending == ".parquet":
        with pytest.raises(DataError, match="class names") as caught:
            _ = open_blocks(path).classes
        assert "in memory" in caught.value.cure


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        (["1", "0"], [1, 0]),
        (["01", "2.0"], [1, 2]),
        (["7", "A"], ["7", "A"]),
        ([" cat ", "dog"], ["cat", "dog"]),
        (["True", "false"], [1, 0]),
        ([True, False], [1, 0]),
        ([b"cat", b"dog"], ["cat", "dog"]),
        (np.array(["cat", 1], object), "others that are not"),
        (["-1", "1"], "label -1.0 is not a class"),
        (["1.5", "1"], "label 1.5 is not a class"),
        (["cat", ""], "row 2: there is no label"),
        (np.array(["cat", None], object), "row 2: there is no label"),
        (np.array(["cat", np.nan], object), "row 2: there is no label"),
        (["c" * 101, "d"], "a label of 101 characters"),
        (["1"] * 20 + ["x"], "row 21: the label 'x' is not a number"),
    ],
)
def test_text_labels_are_numbers_booleans_or_names(labels: Any, expected: Any) -> None:
    if isinstance(expected, str):
        with pytest.raises(DataError, match=expected):
            checked_labels(labels, len(labels), "y")
    else:
        assert checked_labels(labels, len(labels), "y").tolist() == expected


def test_some_class_names_may_be_digits() -> None:
    X, _ = sample(60)
    y = np.array(["7", "8", "A", "B"])[np.arange(60) % 4]
    model = train(X, y, CONFIG, validation=(X[[0, 1]], y[[0, 1]]))[0]
    assert evaluate(model, X[[0, 1]], y[[0, 1]]).accuracy == 1
    assert evaluate(model, X[[0, 1]], [7, 8]).accuracy == 1


def test_names_and_numbers_do_not_match(model: Model) -> None:
    X, y = sample()
    with pytest.raises(DataError, match="label 3 is not one of the model's 4 classes"):
        evaluate(model, X, np.full(len(X), 3))
    numbered = train(X, np.arange(len(X)) % 4, CONFIG)[0]
    with pytest.raises(DataError, match="is not one of the model's 4 classes"):
        evaluate(numbered, X, y)


def test_an_invalid_pixel_in_a_row_with_a_class_name_is_located(tmp_path: Path) -> None:
    (tmp_path / "d.csv").write_text("label,p0,p1\ncat,1,2\ndog,3,400\n")
    with pytest.raises(DataError, match="line 3, column 'p1': '400'"):
        load_dataset(tmp_path / "d.csv")


# ---- exports, plots, the command line ------------------------------------------------


def test_exports_keep_class_names(model: Model, tmp_path: Path) -> None:
    for name in ("m.npz", "m.safetensors"):
        export_model(tmp_path / name, model)
        again = import_model(tmp_path / name)
        np.testing.assert_array_equal(again.classes, model.classes)
        np.testing.assert_array_equal(again.theta, model.theta)
    renamed = import_model(tmp_path / "m.npz", classes=["z", "y", "x", "w"])
    assert renamed.classes.tolist() == ["w", "x", "y", "z"]
    for classes in (["a", "a", "b", "c"], ["a", "", "b", "c"], ["a", "b", "c"]):
        with pytest.raises(UsageError, match="classes are"):
            import_model(tmp_path / "m.npz", classes=classes)


def test_onnx_predicts_class_names(model: Model, tmp_path: Path) -> None:
    onnxruntime = pytest.importorskip("onnxruntime")
    X, y = sample()
    export_model(tmp_path / "m.onnx", model)
    session = onnxruntime.InferenceSession(str(tmp_path / "m.onnx"))
    [labels] = session.run(["label"], {"pixels": X.astype(np.float32) / 255})
    assert labels.tolist() == y.tolist()


def test_a_page_shows_class_names(tmp_path: Path) -> None:
    X, y = sample(features=784)
    write_page(tmp_path / "page.html", train(X, np.where(y == "cat", "</script>", y), CONFIG)[0])
    text = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert "\\u003c/script\\u003e" in text


def test_plots_show_class_names(model: Model) -> None:
    X, y = sample()
    wrong = np.roll(y, 1)
    figure = plots.confusion(model, X, wrong)
    figure.canvas.draw()
    assert [tick.get_text() for tick in figure.axes[0].get_xticklabels()][1] == "cat"
    plots.mistakes(model, X, wrong).canvas.draw()
    plots.calibration(model, X, y).canvas.draw()


def test_the_commands_from_csv_to_submission(tmp_path: Path) -> None:
    X, y = sample(200)
    write(tmp_path / "d.csv", X, y)
    options = ["--hidden", "8", "--iterations", "200", "--lr", "0.5", "--out", "m.safetensors"]
    assert run("train", "--data", "d.csv", *options, cwd=tmp_path).returncode == 0
    result = run("evaluate", "m.safetensors", "--data", "d.csv", "--json", cwd=tmp_path)
    assert json.loads(result.stdout)["errors"] == 0
    result = run("predict", "m.safetensors", "d.csv", cwd=tmp_path)
    rows = list(csv.reader(io.StringIO(result.stdout)))
    assert [label for _, label in rows[1:]] == y.tolist()
    result = run("predict", "m.safetensors", "d.csv", "--json", cwd=tmp_path)
    assert json.loads(result.stdout)["labels"] == y.tolist()
