"""Parquet files as published on data hubs: a column of images, labels of many types."""

from __future__ import annotations

import io
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image

from mnn_gpu import DataError, DataWarning, load_dataset, open_blocks
from mnn_gpu.data.convert import convert

ROWS = 70
STRUCT = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
images = hnp.arrays(np.uint8, st.tuples(st.integers(1, 5), st.integers(1, 4), st.integers(1, 4)))


def png(image: Any, kind: str = "PNG", mode: str | None = None) -> bytes:
    file = io.BytesIO()
    encoded = Image.fromarray(image)
    (encoded if mode is None else encoded.convert(mode)).save(file, kind)
    return file.getvalue()


def made(rows: int = ROWS) -> Any:
    return np.random.default_rng(0).integers(0, 256, (rows, 5, 4), np.uint8)


def write(path: Path, image: Any, label: Any = None, **more: Any) -> Path:
    label = list(range(len(image))) if label is None else label
    pq.write_table(pa.table({"image": image, "label": label, **more}), path, row_group_size=32)
    return path


def columns(X: Any) -> dict[str, Any]:
    """Return a column of images in each supported form."""
    files = [png(image) for image in X]
    flat = X.reshape(len(X), -1)
    return {
        "struct": [{"bytes": file, "path": "a.png"} for file in files],
        "struct, no path": [{"bytes": file, "path": None} for file in files],
        "bytes": files,
        "large bytes": pa.array(files, pa.large_binary()),
        "nested lists": X.tolist(),
        "with a channel": X[..., None].tolist(),
        "lists": flat.tolist(),
        "floats": flat.astype(np.float32).tolist(),
        "large lists": pa.array(flat.tolist(), pa.large_list(pa.uint8())),
        "fixed lists": pa.array(flat.tolist(), pa.list_(pa.uint8(), flat.shape[1])),
        "fixed nested": pa.array(
            X.tolist(), pa.list_(pa.list_(pa.uint8(), X.shape[2]), X.shape[1])
        ),
    }


@pytest.mark.parametrize("form", columns(made(2)))
def test_a_column_of_images(tmp_path: Path, form: str) -> None:
    X = made()
    path = write(tmp_path / "d.parquet", columns(X)[form], source=["web"] * ROWS)
    data = load_dataset(path)
    np.testing.assert_array_equal(data.X, X.reshape(ROWS, -1))
    assert data.labels().tolist() == list(range(ROWS))
    assert data.X.dtype == np.uint8
    has_shape = "lists" not in form.replace("nested lists", "") and form != "floats"
    assert data.image_shape == ((5, 4) if has_shape else None)
    blocks = open_blocks(path)
    assert (len(blocks.bounds), blocks.features, blocks.dtype.name) == (4, 20, "uint8")
    read, labels = blocks.read(1, 3, 20)
    np.testing.assert_array_equal(read, data.X[35:52])
    assert labels is not None
    assert labels.tolist() == list(range(35, 52))
    assert blocks.image_shape == data.image_shape
    convert(path, tmp_path / "converted")
    np.testing.assert_array_equal(load_dataset(tmp_path / "converted").X, data.X)


@given(X=images)
@settings(deadline=None, max_examples=30)
def test_encoded_and_listed_images_are_equal(tmp_path_factory: Any, X: Any) -> None:
    folder = tmp_path_factory.mktemp("d")
    encoded = write(folder / "a.parquet", columns(X)["struct"])
    listed = write(folder / "b.parquet", columns(X)["nested lists"])
    np.testing.assert_array_equal(load_dataset(encoded).X, load_dataset(listed).X)


@pytest.mark.parametrize("mode", ["L", "RGB", "P", "LA", "RGBA"])
def test_gray_levels_do_not_depend_on_the_mode(tmp_path: Path, mode: str) -> None:
    X = made(3)
    path = write(tmp_path / "d.parquet", [png(image, mode=mode) for image in X])
    np.testing.assert_array_equal(load_dataset(path).X, X.reshape(3, -1))


def test_16_bit_gray_levels_are_kept(tmp_path: Path) -> None:
    X = made(3).astype(np.uint16) * 257
    data = load_dataset(write(tmp_path / "d.parquet", [png(image) for image in X]))
    np.testing.assert_array_equal(data.X, X.reshape(3, -1))


def test_columns_of_numbers_next_to_images_are_left_out_with_a_warning(tmp_path: Path) -> None:
    X = made()
    path = write(tmp_path / "d.parquet", X.tolist(), width=[4] * ROWS, split=["train"] * ROWS)
    with pytest.warns(DataWarning, match="left out 'width', because 'image' has the images"):
        data = load_dataset(path)
    np.testing.assert_array_equal(data.X, X.reshape(ROWS, -1))


@pytest.mark.parametrize(
    ("image", "message"),
    [
        ([png(made()[0]), None], "row 2: there is no image"),
        (pa.array([{"bytes": None, "path": "a.png"}], STRUCT), "only its path"),
        ([png(made()[0]), b"GIF89a"], "row 2 is not an image"),
        ([png(made()[0]), b"%!PS-Adobe-3.0 EPSF-3.0"], "row 2 is not an image"),
        ([png(made()[0]), png(made()[0].T)], "row 2, is an image of 4 x 5 pixels"),
        ([png(made()[0], mode="RGBA"), png(np.zeros((5, 4, 4), np.uint8))], "transparent"),
        ([[1, 2], [3]], "different lengths"),
        ([[1, 2], []], "different lengths"),
        ([[1, 2], None], "different lengths"),
        ([[1, 2], [3, None]], "missing values"),
        ([[[1], [2]], [[3, 4]]], "different lengths"),
        (pa.array([[], []], pa.list_(pa.uint8())), "different lengths"),
        ([[1.0, 2.0], [3.0, float("nan")]], "row 2, pixel 1: nan"),
        ([[1, 2], [3, -4]], "row 2, pixel 1: -4"),
    ],
)
def test_an_invalid_image_column_is_refused(tmp_path: Path, image: Any, message: str) -> None:
    path = write(tmp_path / "d.parquet", image)
    with pytest.raises(DataError, match=message) as caught:
        load_dataset(path)
    assert "d.parquet" in caught.value.cause
    assert caught.value.cure


def test_two_image_columns_are_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "d.parquet", [[1]], mask=[[2]])
    with pytest.raises(DataError, match="several columns of images: image, mask"):
        load_dataset(path)


def test_a_bomb_is_refused(tmp_path: Path) -> None:
    large = png(np.zeros((2000, 2000), np.uint8))
    path = write(tmp_path / "d.parquet", [large] * 20)
    with pytest.raises(DataError, match="far more than plausible"):
        load_dataset(path)
    path = write(tmp_path / "e.parquet", [png(np.zeros((9, 9_000_000), np.uint8))])
    with pytest.raises(DataError, match="9,000,000 x 9 pixels"):
        load_dataset(path)


def test_without_pillow_the_cure_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / "d.parquet", [png(made()[0])])
    monkeypatch.setitem(sys.modules, "PIL", None)
    monkeypatch.setitem(sys.modules, "PIL.Image", None)
    with pytest.raises(DataError, match="needs the package pillow") as caught:
        load_dataset(path)
    assert "mnn_gpu[images]" in caught.value.cure


# ---- labels --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("label", "expected"),
    [
        (["7", "0", "7"], [7, 0, 7]),
        ([b"7", b"0", b"7"], None),
        (pd.Categorical(["7", "0", "7"]), [7, 0, 7]),
        (pd.Categorical([7, 0, 7]), [7, 0, 7]),
        ([True, False, True], [1, 0, 1]),
        (["True", "False", "true"], [1, 0, 1]),
        (pd.array([7, 0, 7], "Int64"), [7, 0, 7]),
        (pd.array([7, 0, 7], "UInt8"), [7, 0, 7]),
        (pd.array([7.0, 0.0, 7.0], "Float32"), [7, 0, 7]),
        (pd.array([True, False, True], "boolean"), [1, 0, 1]),
        (pd.array(["7", "0", "7"], "string"), [7, 0, 7]),
        (pd.array(["7", "0", "7"], "string[pyarrow]"), [7, 0, 7]),
    ],
)
def test_labels_of_many_types(tmp_path: Path, label: Any, expected: list[int] | None) -> None:
    path = tmp_path / "d.parquet"
    pd.DataFrame({"label": label, "p0": [3, 200, 5]}).to_parquet(path)
    if expected is None:
        with pytest.raises(DataError, match="labels of type binary"):
            load_dataset(path)
        return
    assert load_dataset(path).labels().tolist() == expected
    blocks = open_blocks(path)
    assert blocks.classes.tolist() == sorted(set(expected))


@pytest.mark.parametrize(
    "label",
    [
        ["7", None],
        ["7", " "],
        pd.array([7, None], "Int64"),
        pd.array([True, None], "boolean"),
        pd.Categorical(["7", None]),
    ],
)
def test_a_row_without_a_label_is_refused(tmp_path: Path, label: Any) -> None:
    path = tmp_path / "d.parquet"
    pd.DataFrame({"label": label, "p0": [3, 200]}).to_parquet(path)
    with pytest.raises(DataError, match=r"row 2: (there is no label|the label nan)"):
        load_dataset(path)
