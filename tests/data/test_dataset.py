"""The bundled MNIST, splits, folders, and the validation of pixels and labels."""

from __future__ import annotations

import gzip
import hashlib
import shutil
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mnn_gpu import DataError, Dataset, UsageError, load_dataset, load_mnist, open_blocks, split
from mnn_gpu.data import bundled_mnist, mnist
from mnn_gpu.data.convert import convert
from mnn_gpu.data.idx import idx_header
from mnn_gpu.data.labels import checked_labels

# ---- MNIST ---------------------------------------------------------------------------


def test_mnist_is_the_published_one() -> None:
    (X, y), (X_test, y_test) = load_mnist()
    assert (X.shape, y.shape) == ((60000, 784), (60000,))
    assert X.dtype == y.dtype == np.uint8
    assert (X_test.shape, y_test.shape) == ((10000, 784), (10000,))
    counts = [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]
    assert np.bincount(y).tolist() == counts
    assert round((X == 0).mean(), 2) == 0.81
    assert y_test[:5].tolist() == [7, 2, 1, 0, 4]


def test_a_changed_mnist_file_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for path in mnist.FOLDER.glob("t10k-*.gz"):
        content = bytearray(gzip.decompress(path.read_bytes()))
        content[-1] ^= 1
        (tmp_path / path.name).write_bytes(gzip.compress(content, 1))
    monkeypatch.setattr(mnist, "FOLDER", tmp_path)
    with pytest.raises(DataError, match="not the published MNIST file"):
        bundled_mnist("test")


def test_the_checksums_are_those_in_the_license_file() -> None:
    text = (mnist.FOLDER / "README.md").read_text()
    for name, digest in mnist.SHA256.items():
        assert f"| {name} | {digest} |" in text
        content = gzip.decompress((mnist.FOLDER / f"{name}.gz").read_bytes())
        assert hashlib.sha256(content).hexdigest() == digest


# ---- split ---------------------------------------------------------------------------


def numbered(rows: int) -> Dataset:
    X = np.arange(rows, dtype=np.uint8)[:, None]
    return Dataset(X, np.arange(rows), "numbered")


def test_a_split_uses_every_row_once_and_keeps_labels_with_their_rows() -> None:
    training, held_out = split(numbered(50), 10, seed=3)
    assert (len(training), len(held_out)) == (40, 10)
    both = np.concatenate([training.X, held_out.X])[:, 0]
    assert sorted(both) == list(range(50))
    assert not np.array_equal(np.sort(training.X[:, 0]), training.X[:, 0])
    np.testing.assert_array_equal(training.X[:, 0], training.y)


def test_the_seed_decides_the_split() -> None:
    first, again, other = (split(numbered(50), 10, seed=s)[1].X for s in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


def test_a_split_of_fewer_rows_and_without_hold_out() -> None:
    training, held_out = split(numbered(50), 0, rows=20)
    assert (len(training), len(held_out)) == (20, 0)


@pytest.mark.parametrize(("holdout", "rows"), [(50, None), (-1, None), (10, 10), (0, 51), (0, 0)])
def test_a_split_that_leaves_nothing_is_refused(holdout: int, rows: int | None) -> None:
    with pytest.raises(UsageError) as caught:
        split(numbered(50), holdout, rows=rows)
    assert "--" in caught.value.cure


# ---- labels ---------------------------------------------------------------


def test_labels_may_be_a_column_of_whole_floats() -> None:
    y = checked_labels(np.array([[3.0], [7.0]]), 2, "y")
    assert y.tolist() == [3, 7]
    assert y.dtype == np.int64


@pytest.mark.parametrize(
    ("y", "message"),
    [
        (np.array([0, 1.5]), "row 2: the label 1.5 is not a class"),
        (np.array([0, -1]), "row 2: the label -1"),
        (np.array([np.nan, 1]), "row 1: the label nan"),
        (np.array([np.inf, 1]), "row 1: the label inf"),
        (np.array([1j, 2]), "not classes"),
        (np.array([1]), "(?s)labels of shape.*may not match"),
        (np.array([[1, 0], [0, 1]]), r"(?s)labels of shape.*y\.argmax\(axis=1\)"),
    ],
)
def test_invalid_labels_are_refused(y: Any, message: str) -> None:
    with pytest.raises(DataError, match=message):
        checked_labels(y, 2, "y")


# ---- paths ---------------------------------------------------------------------------


def write_idx_pair(folder: Path, images: dict[str, Any], prefix: str, zipped: bool) -> None:
    for kind, array in (
        ("images-idx3", images["X"].reshape(-1, 3, 4)),
        ("labels-idx1", images["y"]),
    ):
        array = array.astype(np.uint8)
        content = idx_header(array.shape) + array.tobytes()
        if zipped:
            (folder / f"{prefix}-{kind}-ubyte.gz").write_bytes(gzip.compress(content))
        else:
            (folder / f"{prefix}-{kind}-ubyte").write_bytes(content)


@pytest.mark.parametrize("zipped", [False, True])
def test_a_folder_of_idx_files(tmp_path: Path, images: dict[str, Any], zipped: bool) -> None:
    write_idx_pair(tmp_path, images, "train", zipped)
    test = {name: array[:5] for name, array in images.items()}
    write_idx_pair(tmp_path, test, "t10k", zipped)
    data = load_dataset(tmp_path, "train")
    np.testing.assert_array_equal(data.X, images["X"])
    np.testing.assert_array_equal(data.labels(), images["y"])
    assert len(load_dataset(str(tmp_path), "test")) == 5


def test_a_pair_of_idx_files_and_a_single_one(tmp_path: Path, images: dict[str, Any]) -> None:
    write_idx_pair(tmp_path, images, "some", zipped=False)
    paths = [tmp_path / "some-images-idx3-ubyte", tmp_path / "some-labels-idx1-ubyte"]
    assert len(load_dataset(paths)) == 30
    assert load_dataset(paths[0]).labels().tolist() == images["y"].tolist()
    paths[1].unlink()
    with pytest.raises(DataError, match="no label file next to"):
        load_dataset(paths[0])
    assert load_dataset(paths[0], labelled=False).y is None


def test_labels_of_another_set_are_refused(tmp_path: Path, images: dict[str, Any]) -> None:
    write_idx_pair(tmp_path, images, "train", zipped=False)
    labels = tmp_path / "train-labels-idx1-ubyte"
    labels.write_bytes(idx_header((2,)) + b"\0\1")
    with pytest.raises(DataError, match="for 30 images"):
        load_dataset(tmp_path)


def test_kaggles_folder(tmp_path: Path) -> None:
    (tmp_path / "train.csv").write_text("label,pixel0\n1,2\n0,9\n")
    (tmp_path / "test.csv").write_text("pixel0\n7\n")
    (tmp_path / "sample_submission.csv").write_text("ImageId,Label\n1,0\n")
    assert load_dataset(tmp_path, "train").X.tolist() == [[2], [9]]
    assert load_dataset(tmp_path, "test", labelled=False).X.tolist() == [[7]]


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ([], "contains no data"),
        (["notes.txt"], "contains no data"),
        (["a.csv", "b.csv"], "several data files: a.csv, b.csv"),
        (["test.csv"], "no train data, only test.csv"),
        (["t10k-images-idx3-ubyte"], "no train data"),
    ],
)
def test_an_ambiguous_folder_is_refused(tmp_path: Path, files: list[str], message: str) -> None:
    for name in files:
        (tmp_path / name).write_text("label,p\n1,2\n")
    with pytest.raises(DataError, match=message):
        load_dataset(tmp_path)


def test_the_training_part_is_never_the_test_part(tmp_path: Path, images: dict[str, Any]) -> None:
    test = {name: array[:5] for name, array in images.items()}
    write_idx_pair(tmp_path, images, "train", zipped=True)
    write_idx_pair(tmp_path, test, "t10k", zipped=False)
    assert len(load_dataset(tmp_path, "train")) == 30
    assert len(load_dataset(tmp_path, "test")) == 5


def test_missing_paths_and_unknown_file_types_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no file or folder"):
        load_dataset(tmp_path / "missing.csv")
    (tmp_path / "digits.pkl").write_bytes(b"\x80\x04")
    with pytest.raises(DataError, match=r"file type .* is unknown") as caught:
        load_dataset(tmp_path / "digits.pkl")
    assert ".csv" in caught.value.cure
    with pytest.raises(UsageError, match="3 data files"):
        load_dataset(["a", "b", "c"])


def test_required_labels_that_are_missing_are_reported() -> None:
    with pytest.raises(DataError, match="has no labels"):
        Dataset(np.zeros((2, 2), np.uint8), None, "test.csv").labels()


@pytest.mark.parametrize("dtype", [np.uint8, np.int8, np.int64, np.float16, np.float32, np.float64])
def test_labels_of_every_type_are_checked_without_a_warning(dtype: Any) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        np.testing.assert_array_equal(checked_labels(np.array([0, 100], dtype), 2, "y"), [0, 100])
        if np.dtype(dtype).kind == "f":
            for wrong in (np.inf, np.nan, 0.5):
                with pytest.raises(DataError, match="row 2"):
                    checked_labels(np.array([0, wrong], dtype), 2, "y")


# ---- zip archives, torchvision's folders ---------------------------------------------

KAGGLE = {
    "train.csv": "label,pixel0\n1,2\n0,9\n",
    "test.csv": "pixel0\n7\n",
    "sample_submission.csv": "ImageId,Label\n1,0\n",
}


def zipped(path: Path, members: dict[str, Any], **how: Any) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, **how) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def test_kaggles_downloads(tmp_path: Path) -> None:
    whole = zipped(tmp_path / "digit-recognizer.zip", KAGGLE | {"__MACOSX/._train.csv": "?"})
    assert load_dataset(whole).X.tolist() == [[2], [9]]
    assert load_dataset(whole, "test", labelled=False).X.tolist() == [[7]]
    assert load_dataset(tmp_path).labels().tolist() == [1, 0]
    assert load_dataset(f"{whole}/train.csv").labels().tolist() == [1, 0]
    one = zipped(tmp_path / "train.csv.zip", {"train.csv": KAGGLE["train.csv"]})
    for part in ("train", "test"):
        assert load_dataset(one, part).labels().tolist() == [1, 0]
    converted = convert(one, tmp_path / "converted")
    assert converted.index.rows == 2
    (tmp_path / "unpacked").mkdir()
    (tmp_path / "unpacked/train.csv").write_text(KAGGLE["train.csv"])
    one.rename(tmp_path / "unpacked/train.csv.zip")
    assert len(load_dataset(tmp_path / "unpacked")) == 2


@pytest.mark.parametrize("folder", ["", "gzip/"])
@pytest.mark.parametrize("ending", ["", ".gz"])
def test_idx_files_in_an_archive(
    tmp_path: Path, images: dict[str, Any], folder: str, ending: str
) -> None:
    write_idx_pair(tmp_path, images, "train", zipped=ending == ".gz")
    files = {folder + path.name: path.read_bytes() for path in tmp_path.iterdir()}
    path = zipped(tmp_path / "mnist.zip", files)
    for place in (path, path / f"{folder}train-images-idx3-ubyte{ending}"):
        data = load_dataset(place)
        np.testing.assert_array_equal(data.X, images["X"])
        np.testing.assert_array_equal(data.labels(), images["y"])
    with pytest.raises(DataError, match="no label file"):
        load_dataset(path / "other-images-idx3-ubyte")


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ({}, "contains no data"),
        ({"a.txt": "1"}, "contains no data"),
        ({"a.csv": "", "b.csv": ""}, "several data files: a.csv, b.csv"),
        ({"d.parquet": "", "e.parquet": ""}, "several data files"),
        ({"d.npz": ""}, "d.npz cannot be read from within an archive"),
        ({"d.zip": ""}, "d.zip cannot be read from within an archive"),
        ({"d.csv": "label,p\n" + "1,0\n" * 9_000_000}, "far more than it holds"),
    ],
)
def test_an_ambiguous_archive_and_a_decompression_bomb_are_refused(
    tmp_path: Path, members: dict[str, str], message: str
) -> None:
    path = zipped(tmp_path / "some.zip", members)
    with pytest.raises(DataError, match=message) as caught:
        load_dataset(path)
    assert caught.value.cure


@pytest.mark.parametrize("zipped", [False, True, None])
def test_torchvisions_folders(tmp_path: Path, images: dict[str, Any], zipped: bool | None) -> None:
    raw = tmp_path / "data/MNIST/raw"
    raw.mkdir(parents=True)
    for kind in (False, True) if zipped is None else (zipped,):
        write_idx_pair(raw, images, "train", kind)
        write_idx_pair(raw, {name: array[:5] for name, array in images.items()}, "t10k", kind)
    for folder in (raw, raw.parent, tmp_path / "data"):
        np.testing.assert_array_equal(load_dataset(folder).X, images["X"])
        assert len(load_dataset(folder, "test")) == 5
    shutil.copytree(raw.parent, tmp_path / "data/FashionMNIST")
    with pytest.raises(DataError, match="several folders of data: MNIST, FashionMNIST"):
        load_dataset(tmp_path / "data")


@pytest.mark.parametrize("read", [load_dataset, open_blocks, lambda path: convert(path, "out")])
def test_an_empty_path_is_not_the_current_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, read: Callable[[str], Any]
) -> None:
    (tmp_path / "train.csv").write_text("label,a,b\n0,1,2\n1,3,4\n")
    convert(tmp_path / "train.csv", tmp_path / "converted")
    for folder in (tmp_path, tmp_path / "converted"):
        monkeypatch.chdir(folder)
        with pytest.raises(DataError, match="path of the data is empty"):
            read("")
