"""Data on disk: every row is read exactly once, and damaged data are refused."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mnn_gpu import DataError, load_dataset
from mnn_gpu.data.convert import convert
from mnn_gpu.data.npy_folder import reader as npy_folder
from mnn_gpu.data.open_blocks import Blocks, open_blocks
from mnn_gpu.data.parquet import images as parquet_images
from tests.support.program import run

FEATURES = 6


def made(rows: int, dtype: Any = np.uint8) -> tuple[Any, Any]:
    generator = np.random.default_rng(rows)
    X = generator.integers(0, 256, (rows, FEATURES), np.uint8)
    return X if dtype == np.uint8 else (X / np.float32(255)), generator.integers(0, 9, rows) * 3


def frame(X: Any, y: Any) -> pd.DataFrame:
    return pd.DataFrame(X, columns=[f"p{i}" for i in range(X.shape[1])]).assign(label=y)


def folder(path: Path, X: Any, y: Any, rows_per_file: int | None = None) -> Path:
    np.savez(path.with_suffix(".npz"), x_train=X, y_train=y)
    convert(path.with_suffix(".npz"), path, rows_per_file=rows_per_file)
    return path


def all_of(blocks: Blocks) -> tuple[Any, Any]:
    parts = [blocks.read(i, 0, n) for i, n in enumerate(np.diff(blocks.bounds).tolist())]
    return np.concatenate([X for X, _ in parts]), np.concatenate([y for _, y in parts])


# ---- reading ------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["folder", "parquet"])
@given(
    rows=st.integers(1, 60),
    part=st.integers(1, 70),
    block=st.integers(1, 400),
    dtype=st.sampled_from([np.uint8, np.float32]),
    data=st.data(),
)
@settings(deadline=None, max_examples=40)
def test_each_row_is_in_exactly_one_block(
    tmp_path_factory: pytest.TempPathFactory,
    kind: str,
    rows: int,
    part: int,
    block: int,
    dtype: Any,
    data: st.DataObject,
) -> None:
    path = tmp_path_factory.mktemp("blocks") / f"d.{kind}"
    X, y = made(rows, dtype)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(npy_folder, "BLOCK", block)
        patch.setattr(parquet_images, "BATCH", block)
        if kind == "folder":
            folder(path, X, y, part)
        else:
            frame(X, y).to_parquet(path, row_group_size=part)
        blocks = open_blocks(path)
        read = all_of(blocks)
        number = data.draw(st.integers(0, len(blocks.bounds) - 2))
        first, last = blocks.bounds[number : number + 2].tolist()
        start = data.draw(st.integers(0, last - first))
        stop = data.draw(st.integers(start, last - first))
        some = blocks.read(number, start, stop)
    for (X_read, y_read), at in ((read, slice(None)), (some, slice(first + start, first + stop))):
        np.testing.assert_array_equal(X_read, X[at])
        np.testing.assert_array_equal(y_read, y[at])
        assert X_read.dtype == dtype
        assert y_read is not None
        assert y_read.dtype == np.int64
    assert (len(blocks), blocks.features, blocks.dtype) == (rows, FEATURES, dtype)
    np.testing.assert_array_equal(blocks.classes, np.unique(y))
    assert blocks.labelled


def test_blocks_of_a_folder_have_a_few_megabytes(tmp_path: Path) -> None:
    X = np.zeros((100_000, 100), np.uint8)
    blocks = open_blocks(folder(tmp_path / "d", X, np.zeros(len(X)), 45_000))
    sizes = np.diff(blocks.bounds) * 100
    assert blocks.bounds.tolist() == [0, 45_000, 90_000, 100_000]
    assert open_blocks(folder(tmp_path / "e", X, np.zeros(len(X)))).bounds[1] == 33_333
    assert sizes.max() <= 6 << 20


def test_images_keep_their_shape(tmp_path: Path) -> None:
    X, y = made(5)
    np.savez(tmp_path / "d.npz", x_train=X.reshape(-1, 2, 3), y_train=y)
    convert(tmp_path / "d.npz", tmp_path / "d")
    assert open_blocks(tmp_path / "d").image_shape == (2, 3)


@pytest.mark.parametrize("kind", ["folder", "parquet"])
def test_data_without_labels(tmp_path: Path, kind: str) -> None:
    X, _ = made(7)
    frame(X, 0).drop(columns="label").to_parquet(tmp_path / "d.parquet")
    convert(tmp_path / "d.parquet", tmp_path / "d.folder", labelled=False)
    blocks = open_blocks(tmp_path / f"d.{kind}")
    read, labels = blocks.read(0, 2, 5)
    np.testing.assert_array_equal(read, X[2:5])
    assert (labels, blocks.labelled, blocks.classes.tolist()) == (None, False, [])


@pytest.mark.parametrize("kind", ["folder", "parquet"])
def test_many_threads_read_at_once(tmp_path: Path, kind: str) -> None:
    X, y = made(400)
    frame(X, y).to_parquet(tmp_path / "d.parquet", row_group_size=10)
    folder(tmp_path / "d.folder", X, y, 10)
    blocks = open_blocks(tmp_path / f"d.{kind}")
    order = np.random.default_rng(0).permutation(np.repeat(np.arange(40), 5)).tolist()
    with ThreadPoolExecutor(8) as pool:
        for block, (read, labels) in zip(
            order, pool.map(lambda i: blocks.read(i, 0, 10), order), strict=True
        ):
            np.testing.assert_array_equal(read, X[10 * block : 10 * block + 10])
            np.testing.assert_array_equal(labels, y[10 * block : 10 * block + 10])


@pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="Only Linux lists the maps.")
def test_no_file_stays_open_or_mapped(tmp_path: Path) -> None:
    X, y = made(50)
    blocks = open_blocks(folder(tmp_path / "d", X, y))
    read, labels = blocks.read(0, 0, 50)
    np.testing.assert_array_equal(read, X)
    np.testing.assert_array_equal(labels, y)
    assert str(tmp_path / "d") not in Path("/proc/self/maps").read_text(encoding="utf-8")
    assert not [fd for fd in Path("/proc/self/fd").iterdir() if str(tmp_path) in str(fd.resolve())]


PASS = """
import sys
from mnn_gpu.data.open_blocks import open_blocks
from scripts.benchmarks.worker import peak_memory
blocks = open_blocks(sys.argv[1])
before = peak_memory()
total = 0
for i in range(len(blocks.bounds) - 1):
    X, y = blocks.read(i, 0, int(blocks.bounds[i + 1] - blocks.bounds[i]))
    total += int(X.sum())
print(total, peak_memory() - before)
"""


def test_a_pass_over_a_folder_holds_a_block_at_a_time(tmp_path: Path) -> None:
    X = np.full((100_000, 784), 3, np.uint8)
    folder(tmp_path / "d", X, np.zeros(len(X)))
    command = [sys.executable, "-c", PASS, str(tmp_path / "d")]
    result = subprocess.run(command, capture_output=True, text=True, check=True)
    total, more = map(int, result.stdout.split())
    assert total == 3 * X.size
    # The folder has 78 MB.
    assert more < 30e6


# ---- digests ------------------------------------------------------------------------


def test_digests_differ_with_the_data(tmp_path: Path) -> None:
    X, y = made(3000)
    changed = X.copy()
    changed[1234, 3] ^= 1
    digests = []
    for number, (pixels, labels) in enumerate([(X, y), (changed, y), (X, y[::-1]), (X, y)]):
        frame(pixels, labels).to_parquet(tmp_path / f"{number}.parquet")
        digests.append(open_blocks(tmp_path / f"{number}.parquet").digest)
        digests.append(open_blocks(folder(tmp_path / f"{number}", pixels, labels)).digest)
    assert len(set(digests)) == 6
    assert digests[:2] == digests[-2:]
    assert all(int(digest, 16) >= 0 for digest in digests)


# ---- Parquet -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("columns", "dtype"),
    [
        ({"p": [0, 1], "q": [1, 255]}, "uint8"),
        ({"p": [0, 1], "q": [1, 1]}, "uint8"),
        ({"p": [0.0, 1.0], "q": [1, 1]}, "float32"),
        ({"p": [0.0, 0.5], "q": [0.25, 1.0]}, "float32"),
        ({"p": [0.0, 0.0], "q": [1.0, 255.0]}, "uint8"),
        ({"p": [True, False], "q": [True, True]}, "float32"),
        ({"p": [True, False], "q": [7, 1]}, "uint8"),
    ],
)
@pytest.mark.parametrize("statistics", [True, False])
def test_columns_and_statistics_determine_the_type_of_pixels(
    tmp_path: Path, columns: Any, dtype: str, statistics: bool
) -> None:
    path = tmp_path / "d.parquet"
    pd.DataFrame({"label": [0, 1], **columns}).to_parquet(path, write_statistics=statistics)
    blocks = open_blocks(path)
    assert str(blocks.dtype) == dtype
    expected = load_dataset(path)
    read, labels = all_of(blocks)
    np.testing.assert_array_equal(read, expected.X)
    np.testing.assert_array_equal(labels, expected.labels())


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"label": [0, 1, 2], "p": [1, 2, 300]}, "row 3, pixel 0: 300 is not a whole"),
        ({"label": [0, 1, 2], "p": [0.5, 0.5, None]}, "row 3, pixel 0: nan is not a fraction"),
        (
            {"label": [0, 1, 2], "p": pd.array([True, False, None], "boolean")},
            "row 3, pixel 0: nan is not",
        ),
        ({"label": [0, 1, -2], "p": [1, 2, 3]}, "row 3: the label -2 is not a class"),
        ({"label": [0, 1, 2.5], "p": [1, 2, 3]}, r"row 3: the label 2\.5 is not a class"),
        ({"label": [0, 1, 2]}, "no columns of pixels"),
        ({"label": ["a", "b", "c"], "p": [1, 2, 3]}, "class names as labels"),
        ({"label": [0, 1, 2], "y": [0, 1, 2], "p": [1, 2, 3]}, "several label columns"),
    ],
)
def test_an_error_in_a_parquet_file_names_its_row(
    tmp_path: Path, columns: Any, message: str
) -> None:
    path = tmp_path / "d.parquet"
    pd.DataFrame(columns).to_parquet(path, row_group_size=2, write_statistics=False)
    with pytest.raises(DataError, match=message):
        all_of(open_blocks(path))


def test_a_label_column_by_name(tmp_path: Path) -> None:
    X, y = made(5)
    frame(X, y).rename(columns={"label": "kind"}).to_parquet(tmp_path / "d.parquet")
    assert not open_blocks(tmp_path / "d.parquet").labelled
    blocks = open_blocks(tmp_path / "d.parquet", "kind")
    np.testing.assert_array_equal(all_of(blocks)[1], y)
    with pytest.raises(DataError, match="no label column 'sort'"):
        open_blocks(tmp_path / "d.parquet", "sort")


def test_a_parquet_file_that_is_damaged_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "d.parquet"
    frame(*made(50)).to_parquet(path, row_group_size=10)
    content = path.read_bytes()
    for keep in (0, 10, len(content) // 2, len(content) - 1):
        path.write_bytes(content[:keep])
        with pytest.raises(DataError, match="not a complete Parquet file"):
            open_blocks(path)
    path.write_bytes(content[:4] + bytes(len(content) // 3) + content[4 + len(content) // 3 :])
    with pytest.raises(DataError, match="not a complete Parquet file"):
        all_of(open_blocks(path))


# ---- unsupported formats -------------------------------------------------------------


@pytest.mark.parametrize("name", ["d.csv", "d.npz", "d-idx3-ubyte", "folder"])
def test_unsupported_formats_must_be_converted_first(tmp_path: Path, name: str) -> None:
    (tmp_path / name).mkdir() if name == "folder" else (tmp_path / name).write_bytes(b"1,2\n")
    with pytest.raises(DataError, match="cannot be read some rows at a time") as caught:
        open_blocks(tmp_path / name)
    assert "mnn-gpu convert" in caught.value.cure


def test_missing_data_are_reported(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="There is no file or folder"):
        open_blocks(tmp_path / "nothing")


# ---- damaged folders -----------------------------------------------------------------

Damage = Callable[[Path], object]


def index_with(**changes: Any) -> Damage:
    def change(path: Path) -> None:
        index = json.loads((path / "index.json").read_text())
        (path / "index.json").write_text(json.dumps({**index, **changes}))

    return change


def index_text(text: str) -> Damage:
    return lambda path: (path / "index.json").write_text(text)


def saved(name: str, array: Any) -> Damage:
    def save(path: Path) -> None:
        with (path / name).open("wb") as file:
            np.save(file, array, allow_pickle=True)

    return save


def cut(name: str, by: int) -> Damage:
    return lambda path: os.truncate(path / name, (path / name).stat().st_size - by)


def instead(name: str, make: Damage) -> Damage:
    def replace(path: Path) -> None:
        (path / name).unlink()
        make(path / name)

    return replace


IMAGES, LABELS = "images-00001.npy", "labels-00001.npy"
DAMAGED: dict[str, tuple[Damage, str]] = {
    "index of bytes": (lambda path: (path / "index.json").write_bytes(b"\xff\x00"), "index.json"),
    "index that is empty": (index_text(""), "index.json is not the index"),
    "index of other JSON": (index_text("[1, 2]"), "has another format"),
    "index of depth": (index_text("[" * 100_000), "index.json is not the index"),
    "index that is long": (index_text(" " * (1 << 25) + "1"), "over 33,554,432 bytes"),
    "index of a long number": (index_text("1" * 10_000), "index.json is not the index"),
    "index of another version": (index_with(version=2), "version is 2"),
    "index without files": (index_with(files=[]), "files is not valid"),
    "negative rows": (index_with(rows=-20), "rows is -20"),
    "a file of negative rows": (index_with(files=[-4, 24]), "files is -4"),
    "rows that are true": (index_with(rows=True), "rows is True"),
    "rows that are endless": (index_with(rows=float("inf")), "rows is inf"),
    "rows that do not add up": (index_with(rows=21), "files is not valid"),
    "a lie about rows": (
        index_with(rows=2**50, files=[2**50], classes=[[0, 2**50]]),
        "images-00000.npy does not match the index",
    ),
    "features of none": (index_with(features=0), "features is 0"),
    "another width": (index_with(features=7), "instead of uint8 of shape"),
    "another type": (index_with(dtype="float32"), "instead of float32"),
    "an object type": (index_with(dtype="O"), "dtype is not valid"),
    "a type of no name": (index_with(dtype=["uint8"]), "dtype is not valid"),
    "labelled perhaps": (index_with(labelled=1), "labelled is not valid"),
    "unlabelled classes": (index_with(labelled=False), "classes is not valid"),
    "classes out of order": (index_with(classes=[[3, 10], [1, 10]]), "classes is not valid"),
    "classes of too few": (index_with(classes=[[3, 1]]), "classes is not valid"),
    "classes of words": (index_with(classes=[["a", 20]]), "label is 'a'"),
    "classes of nothing": (index_with(classes=None), "index.json is not the index"),
    "a shape of other pixels": (index_with(image_shape=[2, 2]), "image_shape is not valid"),
    "a shape of one side": (index_with(image_shape=[6]), "index.json is not the index"),
    "a digest of nothing": (index_with(digest=""), "digest is not valid"),
    "a digest of words": (index_with(digest="x" * 32), "index.json is not the index"),
    "images missing": (lambda path: (path / IMAGES).unlink(), "no file or folder .*" + IMAGES),
    "labels missing": (lambda path: (path / LABELS).unlink(), "no file or folder .*" + LABELS),
    "images cut off": (cut(IMAGES, 1), "images-00001.npy has 187 bytes instead of 188"),
    "labels cut off": (cut(LABELS, 8), "labels-00001.npy has 200 bytes instead of 208"),
    "images without header": (cut(IMAGES, 100), "images-00001.npy does not match the index"),
    "images that are empty": (cut(IMAGES, 188), "images-00001.npy does not match the index"),
    "images of objects": (
        saved(IMAGES, np.array([[1, "a"]], object)),
        "images-00001.npy does not match the index",
    ),
    "images of another shape": (saved(IMAGES, np.zeros((6, 10), np.uint8)), "of shape"),
    "images in Fortran order": (
        saved(IMAGES, np.asfortranarray(np.zeros((10, 6), np.uint8))),
        "in Fortran order",
    ),
    "labels of another type": (saved(LABELS, np.zeros(10, np.float64)), "float64"),
    "labels of another class": (saved(LABELS, np.full(10, 5)), "row 1: the index has no class 5"),
    "images that are a folder": (instead(IMAGES, os.mkdir), "images-00001.npy is a folder"),
    "images that are a pipe": (instead(IMAGES, os.mkfifo), "images-00001.npy is not a regular"),
    "images that lead nowhere": (
        instead(IMAGES, lambda path: path.symlink_to("nothing")),
        "no file or folder",
    ),
    "images that lead in a circle": (
        instead(IMAGES, lambda path: path.symlink_to(IMAGES)),
        "images-00001.npy cannot be read",
    ),
    "images that never end": (
        instead(IMAGES, lambda path: path.symlink_to("/dev/zero")),
        "not a regular file",
    ),
}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    X, _ = made(20)
    return folder(tmp_path_factory.mktemp("whole") / "d", X, np.arange(20) % 4, 10)


@pytest.mark.parametrize("name", DAMAGED)
def test_a_damaged_folder_is_refused_with_cause_and_cure(
    tmp_path: Path, whole: Path, name: str
) -> None:
    damage, message = DAMAGED[name]
    shutil.copytree(whole, tmp_path / "d")
    damage(tmp_path / "d")
    for read in (load_dataset, lambda path: all_of(open_blocks(path))):
        with pytest.raises(DataError, match=message) as caught:
            read(tmp_path / "d")
        assert str(tmp_path / "d") in caught.value.cause
        assert len(caught.value.cause) < 1000
        assert caught.value.cure


@given(data=st.data())
@settings(deadline=None, max_examples=200)
def test_random_damage_is_refused_or_read_as_stored(
    tmp_path_factory: pytest.TempPathFactory, whole: Path, data: st.DataObject
) -> None:
    path = tmp_path_factory.mktemp("damage") / "d"
    shutil.copytree(whole, path)
    name = data.draw(st.sampled_from(sorted(file.name for file in whole.iterdir())))
    content = bytearray((path / name).read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    keep = data.draw(st.integers(0, len(content)))
    (path / name).write_bytes(content[:keep] if data.draw(st.booleans()) else content)
    try:
        X, y = all_of(open_blocks(path))
    except DataError as error:
        assert str(path) in error.cause
        assert error.cure
    else:
        assert X.shape == (20, FEATURES)
        assert set(y.tolist()) <= set(range(256))


def test_invalid_fractions_are_refused(tmp_path: Path) -> None:
    X, y = made(20, np.float32)
    path = folder(tmp_path / "d", X, y, 10)
    for wrong in (np.nan, -0.5, 2, np.inf):
        X[13, 2] = wrong
        saved(IMAGES, X[10:])(path)
        with pytest.raises(DataError, match=r"images-00001.npy, row 4, pixel 2: .* not a fraction"):
            load_dataset(path)


def test_a_file_truncated_after_opening_is_refused(tmp_path: Path, whole: Path) -> None:
    shutil.copytree(whole, tmp_path / "d")
    blocks = open_blocks(tmp_path / "d")
    cut(IMAGES, 5)(tmp_path / "d")
    with pytest.raises(DataError, match="truncated"):
        blocks.read(1, 0, 10)
    (tmp_path / "d" / IMAGES).unlink()
    with pytest.raises(DataError, match=r"images-00001.npy cannot be read"):
        blocks.read(1, 0, 10)


def test_links_to_valid_files_are_followed(tmp_path: Path, whole: Path) -> None:
    (tmp_path / "d").mkdir()
    for path in whole.iterdir():
        (tmp_path / "d" / path.name).symlink_to(path)
    np.testing.assert_array_equal(load_dataset(tmp_path / "d").X, load_dataset(whole).X)


def test_a_folder_with_another_index_is_not_converted_data(tmp_path: Path) -> None:
    (tmp_path / "index.json").write_text("{}")
    (tmp_path / "d.csv").write_text("label,p\n1,2\n")
    assert load_dataset(tmp_path).X.tolist() == [[2]]


def test_the_command_reports_the_error_and_exits_with_4(tmp_path: Path, whole: Path) -> None:
    shutil.copytree(whole, tmp_path / "d")
    cut(IMAGES, 1)(tmp_path / "d")
    result = run("evaluate", "record", "--data", "d", cwd=tmp_path)
    assert result.returncode == 4
    assert "error: d/images-00001.npy has 187 bytes" in result.stderr
