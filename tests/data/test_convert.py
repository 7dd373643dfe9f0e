"""`mnn-gpu convert`: the data of `load_dataset`, written completely or not at all."""

from __future__ import annotations

import errno
import gzip
import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import IO, Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from mnn_gpu import DataError, OutputError, TrainingWarning, UsageError, load_dataset
from mnn_gpu.cli.convert import Lines
from mnn_gpu.data.convert import convert
from mnn_gpu.data.csv import fast_parser
from mnn_gpu.data.csv import stream as csv_stream
from mnn_gpu.data.idx import idx_header
from mnn_gpu.data.npy_folder.index import read_index
from mnn_gpu.storage import file_lock, folder_lock
from mnn_gpu.storage.folder_lock import FolderLock
from tests.data.test_readers import WRONG_CSV, csv_text
from tests.support.program import PROGRAM, prepared, run

KINDS = ["csv", "csv.gz", "npz", "parquet", "idx", "folder"]


def written(folder: Path, kind: str, X: Any, y: Any) -> Path:
    """Write data in some format and return the argument for `convert`."""
    path = folder / f"d.{kind}"
    if kind.startswith("csv"):
        text = csv_text(X, y).encode()
        path.write_bytes(gzip.compress(text) if kind.endswith("gz") else text)
    elif kind == "npz":
        np.savez(path, x_train=X, y_train=y)
    elif kind == "parquet":
        frame = pd.DataFrame(X, columns=[f"pixel{i}" for i in range(X.shape[1])])
        frame.assign(label=y).to_parquet(path, row_group_size=4)
    elif kind == "idx":
        path = folder / "d-images-idx3-ubyte"
        path.write_bytes(idx_header((len(X), X.shape[1], 1)) + X.tobytes())
        labels = idx_header(y.shape) + y.astype(np.uint8).tobytes()
        (folder / "d-labels-idx1-ubyte").write_bytes(labels)
    else:
        np.savez(folder / "first.npz", x_train=X, y_train=y)
        convert(folder / "first.npz", path, rows_per_file=3)
    return path


def assert_same(converted: Path, original: Path) -> None:
    here, there = load_dataset(converted), load_dataset(original)
    np.testing.assert_array_equal(here.X, there.X)
    np.testing.assert_array_equal(here.labels(), there.labels())
    assert here.X.dtype == there.X.dtype
    assert here.image_shape == there.image_shape


# ---- the same data -------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
@given(
    X=hnp.arrays(np.uint8, hnp.array_shapes(min_dims=2, max_dims=2, max_side=9)),
    rows_per_file=st.integers(1, 12),
)
@settings(deadline=None, max_examples=20)
def test_converted_data_equal_the_source(
    tmp_path_factory: pytest.TempPathFactory, kind: str, X: Any, rows_per_file: int
) -> None:
    folder = tmp_path_factory.mktemp("convert")
    y = np.arange(len(X)) % 4
    data = written(folder, kind, X, y)
    index = convert(data, folder / "out", rows_per_file=rows_per_file).index
    assert_same(folder / "out", data)
    assert (index.rows, index.features, index.dtype) == (*X.shape, "uint8")
    assert sum(index.files) == len(X)
    assert max(index.files) <= rows_per_file
    assert dict(index.classes) == {label: int((y == label).sum()) for label in set(y.tolist())}


@pytest.mark.parametrize("kind", ["npz", "parquet"])
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_fractions_become_float32(tmp_path: Path, kind: str, dtype: Any) -> None:
    X = (np.random.default_rng(0).integers(0, 257, (10, 6)) / 256).astype(dtype)
    data = written(tmp_path, kind, X, np.arange(10) % 3)
    assert convert(data, tmp_path / "out").index.dtype == "float32"
    np.testing.assert_array_equal(load_dataset(tmp_path / "out").X, X.astype(np.float32))


def test_a_csv_file_may_hold_fractions(tmp_path: Path) -> None:
    (tmp_path / "d.csv").write_text("label,p,q\n3,0,0.25\n4,1,0\n")
    convert(tmp_path / "d.csv", tmp_path / "out")
    data = load_dataset(tmp_path / "out")
    assert (data.X.tolist(), data.labels().tolist()) == ([[0, 0.25], [1, 0]], [3, 4])


@pytest.mark.parametrize("kind", ["csv", "npz", "parquet"])
def test_dtype_determines_the_type_of_zeros_and_ones(tmp_path: Path, kind: str) -> None:
    X = np.array([[0, 1], [1, 1]])
    data = written(tmp_path, kind, X, np.array([0, 1]))
    for dtype in ("uint8", "float32"):
        convert(data, tmp_path / dtype, dtype=dtype)
        read = load_dataset(tmp_path / dtype).X
        assert str(read.dtype) == dtype
        np.testing.assert_array_equal(read, X)


@pytest.mark.parametrize(
    "text",
    [
        '"label","p","q"\r\n1,2,3\r\n',
        "\ufeff\nlabel,p,q\n1,2,3\n\n\n4,5,6",
        "0,1,2\n5,6,7\n",
        "1,2,3\n4,5,6\n",
        "\ufeff1,2,3\n4,5,6\n",
        "p,q,label\n1,2,3000\n4,5,6\n",
        "p,label,q\n 1, 2, 3\n4,5.0,6\n",
        'label,"two\nlines",q\n1,2,3\n',
    ],
)
def test_a_csv_file_is_read_as_load_dataset_reads_it(tmp_path: Path, text: str) -> None:
    path = tmp_path / "d.csv"
    path.write_text(text, encoding="utf-8", newline="")
    convert(path, tmp_path / "out")
    assert_same(tmp_path / "out", path)


@given(
    odd=st.lists(st.booleans(), min_size=1, max_size=40),
    block=st.integers(1, 40),
    most=st.integers(1, 60),
)
@settings(deadline=None, max_examples=60)
def test_lines_of_both_parsers_keep_their_order(
    tmp_path_factory: pytest.TempPathFactory, odd: list[bool], block: int, most: int
) -> None:
    folder = tmp_path_factory.mktemp("order")
    rows = [f'{i},"{i}",{i}' if strange else f"{i},{i},{i}" for i, strange in enumerate(odd)]
    (folder / "d.csv").write_text("\n".join(["label,p,q", *rows]))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fast_parser, "BLOCK", block)
        patch.setattr(csv_stream, "ODD", most)
        convert(folder / "d.csv", folder / "out")
    data = load_dataset(folder / "out")
    assert data.labels().tolist() == list(range(len(odd)))
    assert data.X.tolist() == [[i, i] for i in range(len(odd))]


NAMED = ("class names as labels", "column 'label': ")
"""The cure for labels that are not numbers, which other readers accept as class names."""
CELLS = ["", " 1", "007", "256", "-1", "x", '"7"', "True", "1.0", "9", "10", "200"]


@given(
    rows=st.lists(st.lists(st.sampled_from(CELLS), min_size=2, max_size=3), min_size=1, max_size=6),
    newline=st.sampled_from(["\n", "\r\n", "\n\n"]),
    block=st.sampled_from([1, 8, 1 << 19]),
)
@settings(deadline=None, max_examples=150)
def test_any_csv_is_read_or_refused_as_by_load_dataset(
    tmp_path_factory: pytest.TempPathFactory, rows: list[list[str]], newline: str, block: int
) -> None:
    folder = tmp_path_factory.mktemp("any")
    text = newline.join(",".join(row) for row in [["label", "p"], *rows])
    (folder / "d.csv").write_text(text, newline="")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fast_parser, "BLOCK", block)
        try:
            convert(folder / "d.csv", folder / "out")
        except DataError as refused:
            if any(text in refused.cause for text in NAMED):
                return  # Class names can only be read into memory.
            with pytest.raises(DataError) as expected:
                load_dataset(folder / "d.csv")
            assert refused.cause == expected.value.cause
        else:
            assert_same(folder / "out", folder / "d.csv")


@pytest.mark.parametrize("block", [1, 8, 1 << 19])
def test_an_additional_empty_cell_is_detected(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, block: int
) -> None:
    monkeypatch.setattr(fast_parser, "BLOCK", block)
    for text, line in (("label,p\n9,9\n 1, 1,\n", 3), ("label,p\n 1, 1,\n 1, 1,\n", 2)):
        (tmp_path / "d.csv").write_text(text)
        cause = f"line {line}: 3 cells, but the first line has 2"
        with pytest.raises(DataError, match=cause):
            convert(tmp_path / "d.csv", tmp_path / "out")
        with pytest.raises(DataError, match=cause):
            load_dataset(tmp_path / "d.csv")


def test_a_test_set_has_no_labels(tmp_path: Path) -> None:
    path = tmp_path / "test.csv"
    path.write_text("p,q\n1,2\n3,4\n")
    with pytest.raises(DataError, match="no label column"):
        convert(path, tmp_path / "out")
    index = convert(path, tmp_path / "out", labelled=False).index
    assert (index.labelled, index.classes) == (False, ())
    assert load_dataset(tmp_path / "out", labelled=False).X.tolist() == [[1, 2], [3, 4]]
    with pytest.raises(DataError, match="has no labels"):
        load_dataset(tmp_path / "out")
    with pytest.raises(DataError, match="has no labels"):
        convert(tmp_path / "out", tmp_path / "again")


def test_a_file_without_a_header_can_be_without_labels(tmp_path: Path) -> None:
    (tmp_path / "d.csv").write_text("1,2\n3,4\n")
    convert(tmp_path / "d.csv", tmp_path / "out", labelled=False)
    assert load_dataset(tmp_path / "out", labelled=False).X.tolist() == [[1, 2], [3, 4]]


def test_the_digest_depends_on_the_data_and_not_on_the_files(tmp_path: Path) -> None:
    X, y = np.arange(24, dtype=np.uint8).reshape(6, 4), np.arange(6) % 2
    data = written(tmp_path, "npz", X, y)
    digests = [convert(data, tmp_path / f"{n}", rows_per_file=n).index.digest for n in (1, 2, 4, 9)]
    assert len(set(digests)) == 1
    for other, name in ((X[::-1], "X"), (y[::-1], "y")):
        np.savez(data, x_train=other if name == "X" else X, y_train=other if name == "y" else y)
        digests.append(convert(data, tmp_path / name).index.digest)
    assert len(set(digests)) == 3


# ---- invalid data --------------------------------------------------------------------


@pytest.mark.parametrize("text", [text for text, _ in WRONG_CSV if "0.5" not in text])
def test_an_invalid_csv_is_refused_as_by_load_dataset(tmp_path: Path, text: str) -> None:
    path = tmp_path / "d.csv"
    path.write_text(text)
    with pytest.raises(DataError) as expected:
        load_dataset(path)
    with pytest.raises(DataError) as caught:
        convert(path, tmp_path / "out")
    assert (
        any(text in caught.value.cause for text in NAMED)
        or caught.value.cause == expected.value.cause
    )
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("first", "later", "message"),
    [
        ("1,2", "0.5,0", "line 5002, column 'p': '0.5' is not a whole number"),
        ("0.5,1", "0,2", "line 5002, column 'q': '2' is not from 0 to 1"),
        ("0.5,1", "0,", "line 5002, column 'q': the cell is empty"),
        ("0.5,1", "0,x", "line 5002, column 'q': 'x' is not a number"),
        ("0,1", "0,256", "line 5002, column 'q': '256' is not from 0 to 255"),
        ("0,1", "0,True", "line 5002, column 'q': 'True' is not a whole number"),
        ("0,1", "0", "line 5002: 2 cells, but the first line has 3"),
    ],
)
def test_an_inconsistent_later_row_of_a_csv_is_located(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, first: str, later: str, message: str
) -> None:
    monkeypatch.setattr(fast_parser, "BLOCK", 5000)
    monkeypatch.setattr(csv_stream, "ODD", 5000)
    path = tmp_path / "d.csv"
    path.write_text("label,p,q\n" + f"1,{first}\n" * 5000 + f"1,{later}\n")
    (tmp_path / "out").mkdir()
    with pytest.raises(DataError, match=message) as caught:
        convert(path, tmp_path / "out")
    assert "--dtype" in caught.value.cure
    assert list((tmp_path / "out").iterdir()) == []


def test_an_inconsistent_later_row_of_a_parquet_file_is_located(tmp_path: Path) -> None:
    frame = pd.DataFrame({"label": [0, 1, 2], "p": [0.0, 1.0, 9.0]})
    frame.to_parquet(tmp_path / "d.parquet", row_group_size=1, engine="pyarrow")
    assert convert(tmp_path / "d.parquet", tmp_path / "whole").index.dtype == "uint8"
    with pytest.raises(DataError, match=r"row 3, pixel 0: 9\.0 is not a fraction") as caught:
        convert(tmp_path / "d.parquet", tmp_path / "out", dtype="float32")
    assert "--dtype" in caught.value.cure


def test_labels_that_are_not_classes_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mnn_gpu.data.npy_folder.writer.MOST_CLASSES", 20)
    data = written(tmp_path, "csv", np.zeros((21, 2), np.uint8), np.arange(21))
    with pytest.raises(DataError, match="over 20 different labels"):
        convert(data, tmp_path / "out")


def test_an_endless_line_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fast_parser, "MOST_LINE", 1000)
    (tmp_path / "d.csv").write_text("1,2\n" + "1," * 600_000)
    with pytest.raises(DataError, match="a line of over"):
        convert(tmp_path / "d.csv", tmp_path / "out")


@pytest.mark.parametrize("options", [{"dtype": "int8"}, {"rows_per_file": 0}])
def test_invalid_options_are_refused(tmp_path: Path, options: Any) -> None:
    with pytest.raises(UsageError, match=next(iter(options))):
        convert(tmp_path / "d.csv", tmp_path / "out", **options)


def test_too_many_files_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mnn_gpu.data.npy_folder.writer.MOST_FILES", 3)
    data = written(tmp_path, "csv", np.zeros((4, 2), np.uint8), np.arange(4))
    with pytest.raises(UsageError, match="make over 3 files"):
        convert(data, tmp_path / "out", rows_per_file=1)
    assert not (tmp_path / "out").exists()


# ---- completely or not at all---------------------------------------------------------


@pytest.fixture
def data(tmp_path: Path) -> Path:
    X = np.random.default_rng(0).integers(0, 256, (3000, 50), np.uint8)
    return written(tmp_path, "csv", X, np.arange(3000) % 10)


KILLED = """
import os, signal, sys
from mnn_gpu.data.csv import fast_parser
from mnn_gpu.data.convert import convert
fast_parser.BLOCK = 10_000
def kill(rows):
    if rows > 1500:
        os.kill(os.getpid(), signal.SIGKILL)
convert(sys.argv[1], sys.argv[2], rows_per_file=700, on_rows=kill)
"""


def test_a_killed_conversion_is_not_valid_data_and_can_be_restarted(
    tmp_path: Path, data: Path
) -> None:
    out = tmp_path / "out"
    result = subprocess.run([sys.executable, "-c", KILLED, data, out], check=False)
    assert result.returncode == -signal.SIGKILL
    assert (out / "images-00001.npy").exists()
    with pytest.raises(DataError, match="an interrupted conversion"):
        load_dataset(out)
    convert(data, out)
    assert_same(out, data)
    assert {path.name for path in out.iterdir()} == {
        "images-00000.npy",
        "labels-00000.npy",
        "index.json",
    }


def test_a_nonempty_folder_is_left_unchanged(tmp_path: Path, data: Path) -> None:
    out = tmp_path / "out"
    convert(data, out)
    before = {path.name: path.read_bytes() for path in out.iterdir()}
    with pytest.raises(OutputError, match="out is not empty"):
        convert(data, out)
    assert {path.name: path.read_bytes() for path in out.iterdir()} == before
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "images-00000.npy").write_text("not by convert: no lock beside it")
    with pytest.raises(OutputError):
        convert(data, tmp_path / "mine")


def test_two_conversions_into_one_folder_are_refused(tmp_path: Path, data: Path) -> None:
    (tmp_path / "out").mkdir()
    lock = FolderLock(tmp_path / "out")
    with pytest.raises(UsageError, match="Another run is using the folder"):
        convert(data, tmp_path / "out")
    lock.close()
    convert(data, tmp_path / "out")


def test_a_lock_that_its_owner_removed_is_made_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = FolderLock(tmp_path)
    attempts: list[IO[bytes]] = []

    def lock_after_the_first_has_ended(file: IO[bytes]) -> None:
        if not attempts:
            first.remove()
        attempts.append(file)
        file_lock.lock(file)

    monkeypatch.setattr(folder_lock, "lock", lock_after_the_first_has_ended)
    second = FolderLock(tmp_path)
    with pytest.raises(UsageError, match="Another run is using the folder"):
        FolderLock(tmp_path)
    second.remove()
    assert len(attempts) == 3
    assert not list(tmp_path.iterdir())


def test_without_locks_a_conversion_makes_its_folder(
    tmp_path: Path, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr("fcntl.flock", refused)
    (tmp_path / "there").mkdir()
    with pytest.warns(TrainingWarning, match="cannot be locked"):
        convert(data, tmp_path / "new")
    with (
        pytest.warns(TrainingWarning, match="cannot be locked"),
        pytest.raises(OutputError, match="another conversion may be using it"),
    ):
        convert(data, tmp_path / "there")
    assert read_index(tmp_path / "new").rows


def test_an_interrupted_conversion_leaves_nothing(tmp_path: Path, data: Path) -> None:
    def interrupt(rows: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        convert(data, tmp_path / "out", on_rows=interrupt)
    assert not (tmp_path / "out").exists()


def test_a_full_disk_is_reported_and_no_file_is_left(tmp_path: Path, data: Path) -> None:
    # Simulated by a limit on the size of files: the error is raised by the same calls.
    setup = "resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))"
    command = [*PROGRAM, "convert", str(data), str(tmp_path / "out")]
    result = subprocess.run(prepared(setup, command), capture_output=True, text=True, check=False)
    assert result.returncode == 4
    assert "out cannot be written: File too large" in result.stderr
    assert "Traceback" not in result.stderr
    assert not (tmp_path / "out").exists()


# ---- memory --------------------------------------------------------------------------

PEAK = """
import sys
from mnn_gpu.data.convert import convert
from scripts.benchmarks.worker import peak_memory
convert(sys.argv[1], sys.argv[2], label_column="first", rows_per_file=20_000)
print(peak_memory())
"""


def peak(data: Path, out: Path) -> int:
    """Return the peak memory, in KiB, of a process that converts the given data."""
    command = [sys.executable, "-c", PEAK, str(data), str(out)]
    return int(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def test_memory_does_not_depend_on_the_size_of_a_csv_file(tmp_path: Path) -> None:
    row = ("7," + ",".join(str(100 + i % 100) for i in range(784)) + "\n").encode()
    for name, rows in (("small", 10), ("large", 60_000)):
        with (tmp_path / f"{name}.csv").open("wb") as file:
            file.writelines(row for _ in range(rows))
    small = peak(tmp_path / "small.csv", tmp_path / "small")
    large = peak(tmp_path / "large.csv", tmp_path / "out")
    # The file has 188 MB, its pixels 47 MB.
    assert large - small < 40e6
    assert read_index(tmp_path / "out").files == (20_000,) * 3


# ---- the command ---------------------------------------------------------------------


def test_the_command_reports_its_output(tmp_path: Path, data: Path) -> None:
    result = run("convert", data, "out", "--rows-per-file", 1000, cwd=tmp_path)
    assert result.returncode == 0
    assert result.stdout.startswith("out: 3,000 rows of 50 pixels, uint8, 10 classes; 3 files, ")
    assert result.stdout.rstrip().endswith("rows/s")
    assert result.stderr == ""
    report = json.loads(run("convert", data, "again", "--json", "-q", cwd=tmp_path).stdout)
    assert (report["rows"], report["features"], report["files"]) == (3000, 50, 1)
    assert report["classes"] == {str(label): 300 for label in range(10)}
    assert report["digest"] == read_index(tmp_path / "out").digest
    assert report["bytes"] == sum(
        path.stat().st_size for path in (tmp_path / "again").glob("*.npy")
    )


def test_the_command_refuses_with_cause_and_cure(tmp_path: Path, data: Path) -> None:
    for arguments, code in (
        ((data, tmp_path), 4),
        (("nothing.csv", "out"), 4),
        ((data, "out", "--rows-per-file", 0), 2),
        ((data, "out", "--label-column", "kind"), 4),
    ):
        result = run("convert", *arguments, cwd=tmp_path)
        assert result.returncode == code
        assert "error: " in result.stderr
        assert "cure: " in result.stderr
        assert not (tmp_path / "out").exists()


def test_a_long_conversion_reports_progress(capsys: pytest.CaptureFixture[str]) -> None:
    lines = Lines(started=-100.0)
    lines(12_000)
    lines(13_000)
    assert capsys.readouterr().err.startswith("12,000 rows, ")
    assert capsys.readouterr().err == ""


def test_every_command_reads_the_folder(tmp_path: Path, data: Path) -> None:
    run("convert", data, "out", cwd=tmp_path)
    assert_same(tmp_path / "out", data)
    train = ("train", "--hidden", "8", "--epochs", "1", "--batch-size", "100", "--json", "-q")
    for source in (data, "out"):
        # In streaming, the rows would be in another order.
        trained = run(*train, "--no-stream", "--data", source, "--out", "m", cwd=tmp_path)
        assert trained.returncode == 0, trained.stderr
        output = run("evaluate", "m", "--data", source, "--json", cwd=tmp_path).stdout
        labels = run("predict", "m", source, cwd=tmp_path).stdout
        if source == data:
            expected = json.loads(output), labels
    assert json.loads(output)["loss"] == pytest.approx(expected[0]["loss"], rel=1e-5)
    assert labels == expected[1]
