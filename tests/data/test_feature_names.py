"""Columns in another order than the model's are matched by name, or refused."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mnn_gpu import (
    DataError,
    Dataset,
    DataWarning,
    Model,
    Predictor,
    TrainingConfig,
    UsageError,
    evaluate,
    export_model,
    import_model,
    load_dataset,
    load_model,
    open_blocks,
    predict,
    predict_proba,
    save_model,
    split_blocks,
    train,
)
from mnn_gpu.cli.main import main
from mnn_gpu.data.convert import convert
from mnn_gpu.data.feature_names import are_numbers, order_of, text_names
from mnn_gpu.data.transposed import transposed
from mnn_gpu.plots import mistakes

NAMES = ("width", "height", "red", "green", "blue", "ink")
CONFIG = TrainingConfig(hidden=(8,), iterations=60, learning_rate=0.5)


def table(names: Any = NAMES, label: bool = True, rows: int = 60) -> pd.DataFrame:
    """Two classes that depend on the first column."""
    rng = np.random.default_rng(0)
    y = np.arange(rows) % 2
    frame = pd.DataFrame({name: rng.integers(0, 255, rows) for name in names})
    frame[names[0]] = np.where(y == 1, 250, 5)
    return frame.assign(label=y) if label else frame


def shuffled(frame: pd.DataFrame) -> pd.DataFrame:
    return frame[list(frame.columns[::-1])]


@pytest.fixture(scope="module")
def model() -> Model:
    frame = table()
    return train(frame.drop(columns="label"), frame["label"], CONFIG)[0]


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MNN_DEVICE", "cpu")
    table().to_csv("train.csv", index=False)
    shuffled(table()).to_csv("shuffled.csv", index=False)
    shuffled(table()).to_parquet("shuffled.parquet")
    convert("shuffled.csv", "converted")
    return tmp_path


# ---- matching ----------------------------------------------------------------------------


@given(names=st.lists(st.text(max_size=5), min_size=1, max_size=30, unique=True), data=st.data())
def test_columns_in_any_order_are_matched_by_name(names: list[str], data: st.DataObject) -> None:
    there = tuple(data.draw(st.permutations(names)))
    order = order_of(there, tuple(names), "data")
    found = there if order is None else tuple(there[i] for i in order)
    assert found == tuple(names)


def test_without_names_on_one_side_columns_match_by_position() -> None:
    assert order_of(None, NAMES, "data") is None
    assert order_of(NAMES, None, "data") is None


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["pixel0", "pixel1", "pixel2"], True),
        (["1x1", "1x2", "2x1", "2x2"], True),
        (["column 7", "column 8"], True),
        (["pixel1", "pixel0"], False),
        (["pixel0", "pixel2"], False),
        (["1x1", "2x1", "1x2", "2x2"], False),
        (["a", "b"], False),
        (["a1", "b2"], False),
        (["1" * 5000, "2" * 5000], False),
    ],
)
def test_names_that_only_number_the_columns(names: list[str], expected: bool) -> None:
    assert are_numbers(tuple(names)) is expected


def test_two_numbering_schemes_match_by_position() -> None:
    kaggle = tuple(f"pixel{i}" for i in range(784))
    grid = tuple(f"{i}x{j}" for i in range(1, 29) for j in range(1, 29))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert order_of(grid, kaggle, "data") is None
        assert order_of(tuple(f"pixel{i}" for i in range(1, 785)), kaggle, "data") is None


def test_disjoint_names_match_by_position_with_a_warning() -> None:
    with pytest.warns(DataWarning, match="data: no column name matches.*by position"):
        assert order_of(("a", "b"), ("x", "y"), "data") is None


def test_case_is_ignored_unless_names_differ_only_in_case() -> None:
    order = order_of(("INK", "Red", "blue"), ("red", "ink", "Blue"), "data")
    assert order is not None
    assert order.tolist() == [1, 0, 2]
    order = order_of(("a", "A"), ("A", "a"), "data")
    assert order is not None
    assert order.tolist() == [1, 0]
    with pytest.raises(DataError, match="lacks 'b'"):
        order_of(("a", "A"), ("a", "b"), "data")


def test_a_model_with_duplicate_names_matches_by_position() -> None:
    assert order_of(("a", "b"), ("x", "x"), "data") is None


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (("a", "b"), "data has different columns than the training data: it lacks 'c'"),
        (("a", "b", "c", "d"), "it also has 'd'"),
        (("a", "b", "d"), "it lacks 'c' and also has 'd'"),
        (("a", "b", "b"), "it lacks 'c' and has twice 'b'"),
        (("a", "b", "c", "c"), "it has twice 'c'"),
        (tuple("abcdefgh"), "it also has 'd', 'e', 'f' and 2 more"),
    ],
)
def test_missing_and_unknown_columns_are_named(names: tuple[str, ...], message: str) -> None:
    with pytest.raises(DataError, match=message) as caught:
        order_of(names, ("a", "b", "c"), "data")
    assert "--label-column" in caught.value.cure


def test_only_text_is_a_name() -> None:
    for names in (["a", 1], range(3), None, [], ["x" * (1 << 22), "y"]):
        assert text_names(names) is None
    assert text_names(["a", "b"]) == ("a", "b")


# ---- data frames, files and folders --------------------------------------------------------


def test_a_data_frame_is_put_in_order(model: Model) -> None:
    frame = table()
    X, y = frame.drop(columns="label"), frame["label"]
    assert model.feature_names == NAMES
    assert evaluate(model, X, y).accuracy == 1
    assert evaluate(model, shuffled(X), y) == evaluate(model, X, y)
    expected = predict_proba(model, X.to_numpy())
    np.testing.assert_array_equal(predict_proba(model, shuffled(X)), expected)
    np.testing.assert_array_equal(Predictor(model).predict(shuffled(X)), y)
    with pytest.raises(DataError, match="lacks 'ink'"):
        predict(model, X.drop(columns="ink"))
    with pytest.raises(DataError, match="also has 'label'"):
        predict(model, frame)


def test_columns_of_held_out_rows_are_put_in_order() -> None:
    frame = table()
    X, y = frame.drop(columns="label"), frame["label"]
    _, history = train(X, y, CONFIG, validation=(shuffled(X), y))
    assert history.validation is not None
    assert history.validation.accuracy == 1


def test_plots_of_mistakes_use_the_model_s_pixel_order(model: Model) -> None:
    frame = table()
    X, wrong = frame.drop(columns="label"), 1 - frame["label"].to_numpy()
    images = [
        mistakes(model, data, wrong, most=2, image_shape=(2, 3)).axes[0].images[0].get_array()
        for data in (X, shuffled(X))
    ]
    np.testing.assert_array_equal(*images)


@pytest.mark.parametrize("name", ["shuffled.csv", "shuffled.parquet", "converted"])
def test_every_reader_returns_the_names(place: Path, model: Model, name: str) -> None:
    data = load_dataset(name)
    assert data.feature_names == NAMES[::-1]
    assert evaluate(model, data).accuracy == 1
    assert train(data, config=CONFIG)[0].feature_names == NAMES[::-1]
    if name.endswith("csv"):
        return
    blocks = open_blocks(name)
    assert blocks.feature_names == NAMES[::-1]
    assert evaluate(model, blocks).accuracy == 1
    np.testing.assert_array_equal(predict(model, blocks), data.y)
    training, held_out = split_blocks(blocks, 10)
    assert evaluate(model, training).rows == 50
    assert training.feature_names == NAMES[::-1]
    assert len(held_out) == 10
    config = TrainingConfig(hidden=(8,), batch_size=20, iterations=60, learning_rate=0.5)
    assert train(training, config=config)[0].feature_names == NAMES[::-1]


def test_names_are_transposed_with_the_images() -> None:
    data = Dataset(np.arange(8, dtype=np.uint8).reshape(2, 4), None, "some", None, tuple("abcd"))
    turned = transposed(data)
    assert turned.feature_names == tuple("acbd")
    assert turned.X.tolist() == [[0, 2, 1, 3], [4, 6, 5, 7]]


@pytest.mark.parametrize(
    "names",
    [
        pytest.param(["0", "1", "2", "3"], id="a data frame's numbers"),
        pytest.param(["V1", "V2", "V3", "V4"], id="R's numbers"),
    ],
)
def test_names_that_number_all_columns_are_ignored(tmp_path: Path, names: list[str]) -> None:
    frame = table(names, label=False)
    frame[names[0]] = np.arange(60) % 3
    frame.to_csv(tmp_path / "d.csv", index=False)
    data = load_dataset(tmp_path / "d.csv", label_column="first")
    assert data.feature_names is None


def test_a_file_without_a_header_has_no_names(tmp_path: Path) -> None:
    shuffled(table()).to_csv(tmp_path / "d.csv", index=False, header=False)
    assert load_dataset(tmp_path / "d.csv", label_column="first").feature_names is None


def test_labels_of_a_dataset_cannot_be_given_twice(model: Model) -> None:
    frame = table()
    X, y = frame.drop(columns="label").to_numpy(), frame["label"].to_numpy()
    with pytest.raises(UsageError, match="has labels"):
        evaluate(model, Dataset(X, y, "some"), y)
    with pytest.raises(DataError, match="some has no labels"):
        evaluate(model, Dataset(X, None, "some"))
    assert evaluate(model, Dataset(X, None, "some"), y).accuracy == 1


# ---- names in models -------------------------------------------------------------------------


def test_a_model_keeps_its_names_in_files(tmp_path: Path, model: Model) -> None:
    save_model(tmp_path / "m.safetensors", model)
    assert load_model(tmp_path / "m.safetensors").feature_names == NAMES
    export_model(tmp_path / "m.npz", model)
    assert import_model(tmp_path / "m.npz").feature_names == NAMES


@pytest.mark.parametrize("stored", [None, 7, "abcdef", ["a"], [1] * 6, {"a": 1}])
def test_invalid_stored_names_are_ignored(model: Model, stored: Any) -> None:
    damaged = Model(model.theta, model.layer_sizes, model.classes, {"feature_names": stored})
    assert damaged.feature_names is None
    assert len(predict(damaged, table().drop(columns="label"))) == 60


# ---- the command line --------------------------------------------------------------------------


@pytest.mark.parametrize(
    "data",
    [["shuffled.csv"], ["shuffled.parquet"], ["shuffled.parquet", "--stream"], ["converted"]],
)
def test_commands_accept_columns_in_any_order(
    place: Path, capsys: pytest.CaptureFixture[str], data: list[str]
) -> None:
    options = ["--hidden", "8", "--iterations", "60", "--lr", "0.5", "--batch-size", "20", "-q"]
    assert main(["train", "--data", "train.csv", *options, "--out", "m.safetensors"]) == 0
    capsys.readouterr()
    assert main(["evaluate", "m.safetensors", "--data", *data]) == 0
    assert "100.00% right" in capsys.readouterr().out
    assert main(["predict", "m.safetensors", *data, "-o", "s.csv"]) == 0
    assert pd.read_csv("s.csv")["Label"].tolist() == table()["label"].tolist()
    options = [argument for argument in data if argument != "--stream"]
    assert main(["plot", "confusion", "m.safetensors", "--data", *options, "-o", "c.png"]) == 0


@pytest.mark.parametrize("data", ["shuffled.csv", "shuffled.parquet", "converted"])
def test_training_from_a_file_stores_the_column_names(place: Path, data: str) -> None:
    options = ["--hidden", "4", "--iterations", "9", "--batch-size", "20", "-q"]
    assert main(["train", "--data", data, *options, "--out", "m.safetensors"]) == 0
    assert load_model("m.safetensors").feature_names == NAMES[::-1]


def test_commands_name_missing_and_unknown_columns(
    place: Path, model: Model, capsys: pytest.CaptureFixture[str]
) -> None:
    save_model("m.safetensors", model)
    table().rename(columns={"ink": "paper"}).to_csv("other.csv", index=False)
    assert main(["evaluate", "m.safetensors", "other.csv"]) == 4
    message = capsys.readouterr().err
    assert "other.csv has different columns" in message
    assert "lacks 'ink' and also has 'paper'" in message
