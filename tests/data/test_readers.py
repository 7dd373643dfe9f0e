"""The readers: every format, many kinds of invalid files, and arbitrary bytes."""

from __future__ import annotations

import gzip
import io
import os
import shutil
import struct
import tracemalloc
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from mnn_gpu import DataError, DataWarning, UsageError, load_dataset, open_blocks, train
from mnn_gpu.data.archive import open_member
from mnn_gpu.data.convert import convert
from mnn_gpu.data.csv import fast_parser
from mnn_gpu.data.idx import idx_header, read_idx
from mnn_gpu.data.labels import several_classes

fuzz = settings(
    deadline=None,
    max_examples=60,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
pixels = hnp.arrays(np.uint8, hnp.array_shapes(min_dims=2, max_dims=2, max_side=6))


def labels_for(X: Any) -> Any:
    return np.arange(len(X)) % 4


# ---- CSV -----------------------------------------------------------------------------


def csv_text(X: Any, y: Any, at: int = 0, newline: str = "\n", header: bool = True) -> str:
    """Write a CSV file with the label in column ``at``."""
    names = [f"pixel{i}" for i in range(X.shape[1])]
    names.insert(at, "label")
    rows = [names] if header else []
    for row, label in zip(X.tolist(), y.tolist(), strict=True):
        row.insert(at, label)
        rows.append([str(cell) for cell in row])
    return "".join(",".join(row) + newline for row in rows)


@given(X=pixels, last=st.booleans(), newline=st.sampled_from(["\n", "\r\n"]), header=st.booleans())
@fuzz
def test_csv_round_trip(tmp_path: Path, X: Any, last: bool, newline: str, header: bool) -> None:
    at = X.shape[1] if last and header else 0
    text = csv_text(X, labels_for(X), at, newline, header)
    plain, zipped = tmp_path / "d.csv", tmp_path / "d.csv.gz"
    plain.write_bytes(text.encode())
    zipped.write_bytes(gzip.compress(text.encode()))
    for path in (plain, zipped):
        data = load_dataset(path, label_column=None if header else "first")
        np.testing.assert_array_equal(data.X, X)
        np.testing.assert_array_equal(data.labels(), labels_for(X))
        assert data.X.dtype == np.uint8
        assert data.X.flags.c_contiguous


@pytest.mark.parametrize("prefix", ["\ufeff", "\n\n"])
def test_csv_with_a_byte_order_mark_or_blank_lines(tmp_path: Path, prefix: str) -> None:
    path = tmp_path / "d.csv"
    path.write_text(prefix + "label,p\n3,4\n\n5,6\n\n", encoding="utf-8")
    data = load_dataset(path)
    assert (data.X.tolist(), data.labels().tolist()) == ([[4], [6]], [3, 5])


def test_csv_label_column_by_name(tmp_path: Path) -> None:
    path = tmp_path / "d.csv"
    path.write_text("a,kind,b\n1,7,2\n3,8,4\n")
    data = load_dataset(path, label_column="kind")
    assert (data.X.tolist(), data.labels().tolist()) == ([[1, 2], [3, 4]], [7, 8])


def test_csv_without_labels_for_prediction(tmp_path: Path) -> None:
    path = tmp_path / "test.csv"
    path.write_text("pixel0,pixel1\n1,2\n")
    assert load_dataset(path, labelled=False).y is None
    path.write_text("1,2\n3,4\n")
    assert load_dataset(path, labelled=False, features=2).X.tolist() == [[1, 2], [3, 4]]
    assert load_dataset(path, labelled=False, features=1).X.tolist() == [[2], [4]]


def test_csv_with_column_numbers_from_pandas(tmp_path: Path) -> None:
    path = tmp_path / "d.csv"
    pd.DataFrame([[5, 6, 7], [8, 9, 9]]).to_csv(path, index=False)
    data = load_dataset(path)
    assert (data.X.tolist(), data.labels().tolist()) == ([[6, 7], [9, 9]], [5, 8])
    assert load_dataset(path, labelled=False, features=3).X.tolist() == [[5, 6, 7], [8, 9, 9]]


def test_an_endless_line_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mnn_gpu.data.unpacking.MOST_LINE", 1000)
    monkeypatch.setattr("mnn_gpu.data.csv.fast_parser.MOST_LINE", 1000)
    (tmp_path / "d.csv").write_text("1," * 2000)
    with pytest.raises(DataError, match="a line of over 1,000 characters"):
        load_dataset(tmp_path / "d.csv")


@given(
    rows=st.lists(
        st.lists(
            st.one_of(
                st.integers(0, 255).map(str),
                st.sampled_from(["", " 1", "007", "256", "300", "1234", "-1", "0.5", "x", '"7"']),
            ),
            min_size=2,
            max_size=4,
        ),
        min_size=1,
        max_size=6,
    ),
    newline=st.sampled_from(["\n", "\r\n", "\n\n", "\r"]),
    last_newline=st.booleans(),
    block=st.sampled_from([1, 3, 8, 1 << 19]),
)
@settings(deadline=None, max_examples=300)
def test_the_fast_parser_agrees_with_pandas_or_returns_none(
    tmp_path_factory: pytest.TempPathFactory,
    rows: list[list[str]],
    newline: str,
    last_newline: bool,
    block: int,
) -> None:
    text = newline.join(",".join(row) for row in rows) + newline * last_newline
    path = tmp_path_factory.mktemp("digits") / "d.csv"
    path.write_bytes(text.encode())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fast_parser, "BLOCK", block)
        cells = fast_parser.read_digits(path, len(rows[0]), header=False)
    simple = all(
        len(row) == len(rows[0]) and all(c.isdigit() and len(c) < 4 and int(c) < 256 for c in row)
        for row in rows
    )
    if not simple:
        assert cells is None
    if simple and newline in ("\n", "\r\n"):
        assert cells is not None
    if cells is not None:
        expected = pd.read_csv(io.StringIO(text), header=None, dtype=np.uint8).to_numpy()
        np.testing.assert_array_equal(cells, expected)


@pytest.mark.parametrize(
    ("text", "X", "y"),
    [
        (b"\n0,1,2\n5,6,7\n", [[6, 7]], [5]),
        (b"\xef\xbb\xbf\n0,1,2\n5,6,7\n", [[6, 7]], [5]),
        (b"\r\nlabel,p,q\n5,6,7\n", [[6, 7]], [5]),
        (b"label,p\r1,2\n3,4\n", [[2], [4]], [1, 3]),
        (b"\xef\xbb\xbflabel,p\n1,2\n", [[2]], [1]),
        (b'"label","p"\r\n1,2\r\n', [[2]], [1]),
    ],
)
def test_every_reader_finds_the_same_header_line(
    tmp_path: Path, text: bytes, X: Any, y: Any
) -> None:
    (tmp_path / "d.csv").write_bytes(text)
    data = load_dataset(tmp_path / "d.csv")
    assert (data.X.tolist(), data.labels().tolist()) == (X, y)


def test_labels_above_255_are_read(tmp_path: Path) -> None:
    (tmp_path / "d.csv").write_text("label,p0\n1000,3\n7,255\n")
    data = load_dataset(tmp_path / "d.csv")
    assert (data.X.tolist(), data.labels().tolist()) == ([[3], [255]], [1000, 7])


def test_decimal_fractions_are_read(tmp_path: Path) -> None:
    (tmp_path / "d.csv").write_text("label,p0,p1\n3,0.5,1\n1,0.0,0.25\n")
    data = load_dataset(tmp_path / "d.csv")
    assert (data.X.tolist(), data.labels().tolist()) == ([[0.5, 1], [0, 0.25]], [3, 1])


def test_a_long_file_is_read_in_blocks(tmp_path: Path) -> None:
    X = np.random.default_rng(0).integers(0, 256, (3000, 300), np.uint8)
    (tmp_path / "d.csv").write_text(csv_text(X, labels_for(X), at=300))
    data = load_dataset(tmp_path / "d.csv")
    np.testing.assert_array_equal(data.X, X)
    np.testing.assert_array_equal(data.labels(), labels_for(X))


def test_a_pipe_is_not_a_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "d.csv")
    with pytest.raises(DataError, match="not a regular file"):
        load_dataset(tmp_path / "d.csv")


WRONG_CSV = [
    ("", "is empty"),
    ("\n\n", "is empty"),
    ("label,p0,p1\n", "no rows"),
    ("label\n1\n", "no rows of pixels"),
    ("p0,p1\n1,2\n", "no label column 'label'"),
    ("label,y,p\n1,2,3\n", "several label columns: label, y"),
    ("label,p0,p1\n1,2,3\n4,5\n", r"line 3: 2 cells, but the first line has 3"),
    ("label,p0\n1,2\n3,4,5\n", r"line 3: 3 cells"),
    ("label,p0\n1,2,3\n", r"line 2: 3 cells"),
    ("label,p0,p1\n1,2,\n", "line 2, column 'p1': the cell is empty"),
    ("label,p0,p1\n1,2,x\n", "line 2, column 'p1': 'x' is not a whole number"),
    ("label,p0,p1\n1,0.5,2\n", "line 2, column 'p1': '2' is not from 0 to 1"),
    ("label,p0,p1\n1, 300,-3\n", "line 2, column 'p0': ' 300' is not from 0 to 255"),
    ("label,p0\n256,-3\n", "line 2, column 'p0': '-3' is not from 0 to 255"),
    ("label,p0\n18446744073709551617,3\n", "'184.*' is not a class"),
    ("label,p0,p1\n1,2,256\n", "line 2, column 'p1': '256' is not from 0 to 255"),
    ("label,p0,p1\n1,2,-1\n", "line 2, column 'p1': '-1' is not from 0 to 255"),
    ("label,p0\n1,99999999999999999999999\n", "is not from 0 to 255"),
    ("label,p0\n1,nan\n", "'nan' is not a whole number"),
    ("label,p0\n1,inf\n", "'inf' is not"),
    ("label,p0\n1.5,2\n", "line 2, column 'label': '1.5' is not a whole number"),
    ("label,p0\n-1,2\n", "'-1' is not a class"),
    ("label,p0\n" + "1,2\n" * 20 + "cat,2\n", "line 22, column 'label': 'cat'"),
    ("label,p0\ncat,2\n,3\n", "line 3, column 'label': the cell is empty"),
    ("label,p0\n,2\n", "line 2, column 'label': the cell is empty"),
    ("label;p0;p1\n1;2;300\n", "line 2, column 'p1': '300' is not from 0 to 255"),
    ("label,p0\n1,2\n\n3,400\n", "line 4, column 'p0'"),
    ("\nlabel,p0\n1,300\n", "line 3, column 'p0': '300'"),
    ("label,p0\n1,30\0\0\n", "line 2, column 'p0': '30.x00.x00' is not a whole number"),
    ("label,p0\n1\0,0.5\n2,1\n", "line 2, column 'label': '1.x00' is not a whole number"),
    ("label,p0\n0,1\n-1,2\n", "line 3, column 'label': '-1' is not a class"),
    ("label,p0\n0,True\n1,False\n", "line 2, column 'p0': 'True' is not a whole number"),
    ('label,p0\n1,"2\n', "cannot be read as CSV|'2"),
]


@pytest.mark.parametrize(("text", "message"), WRONG_CSV)
def test_an_invalid_csv_is_refused_with_line_and_column(
    tmp_path: Path, text: str, message: str
) -> None:
    path = tmp_path / "d.csv"
    path.write_text(text)
    with pytest.raises(DataError, match=message) as caught:
        load_dataset(path)
    assert str(path) in caught.value.cause
    assert caught.value.cure


def test_a_named_label_column_that_is_missing_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "d.csv"
    path.write_text("label,p\n1,2\n")
    with pytest.raises(DataError, match="no label column 'kind'"):
        load_dataset(path, label_column="kind")


# ---- IDX -----------------------------------------------------------------------------


@given(array=hnp.arrays(np.uint8, hnp.array_shapes(max_dims=4, max_side=5)), zipped=st.booleans())
@fuzz
def test_idx_round_trip(tmp_path: Path, array: Any, zipped: bool) -> None:
    content = idx_header(array.shape) + array.tobytes()
    path = tmp_path / ("a-ubyte.gz" if zipped else "a-ubyte")
    path.write_bytes(gzip.compress(content) if zipped else content)
    np.testing.assert_array_equal(read_idx(path), array)


GOOD_IDX = idx_header((2, 2, 2)) + bytes(8)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b"\0\0\x08", "not an IDX file"),
        (b"PK\x03\x04" + bytes(20), "magic number is 504b0304"),
        (b"\0\0\x0d\x01" + bytes(8), "type 0x0d"),
        (b"\0\0\x08\x09" + bytes(40), "not an IDX file"),
        (GOOD_IDX[:10], "truncated in its header"),
        (GOOD_IDX[:-1], "truncated|declares"),
        (idx_header((2**32 - 1, 0, 2**32 - 1, 2**32 - 1)), "declares an empty array"),
        (GOOD_IDX + b"x", "has more than the 8 bytes"),
    ],
)
@pytest.mark.parametrize("zipped", [False, True])
def test_an_invalid_idx_file_is_refused(
    tmp_path: Path, content: bytes, message: str, zipped: bool
) -> None:
    path = tmp_path / ("a-ubyte.gz" if zipped else "a-ubyte")
    path.write_bytes(gzip.compress(content) if zipped else content)
    with pytest.raises(DataError, match=message):
        read_idx(path)


@pytest.mark.parametrize("zipped", [False, True])
def test_a_false_header_allocates_no_memory(tmp_path: Path, zipped: bool) -> None:
    content = idx_header((2**31, 2**31, 4)) + bytes(100)
    path = tmp_path / ("a-ubyte.gz" if zipped else "a-ubyte")
    path.write_bytes(gzip.compress(content) if zipped else content)
    tracemalloc.start()
    try:
        with pytest.raises(DataError, match="declares"):
            read_idx(path)
        assert tracemalloc.get_traced_memory()[1] < 4 << 20
    finally:
        tracemalloc.stop()


def test_an_invalid_or_truncated_gzip_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a-ubyte.gz"
    path.write_bytes(GOOD_IDX)
    with pytest.raises(DataError, match="not a complete gzip file"):
        read_idx(path)
    path.write_bytes(gzip.compress(GOOD_IDX)[:-9])
    with pytest.raises(DataError):
        read_idx(path)


# ---- npz -----------------------------------------------------------------------------


def test_keras_npz(tmp_path: Path, images: dict[str, Any]) -> None:
    X, y = images["X"].reshape(-1, 3, 4), images["y"]
    path = tmp_path / "mnist.npz"
    for save in (np.savez, np.savez_compressed):
        save(path, x_train=X, y_train=y.astype(np.uint8), x_test=X[:4], y_test=y[:4])
        train, test = load_dataset(path), load_dataset(path, "test")
        np.testing.assert_array_equal(train.X, images["X"])
        np.testing.assert_array_equal(train.labels(), y)
        assert len(test) == 4


def test_npz_with_plain_names_or_without_labels(tmp_path: Path, images: dict[str, Any]) -> None:
    path = tmp_path / "d.npz"
    np.savez(path, X=images["X"], y=images["y"])
    assert len(load_dataset(path)) == 30
    np.savez(path, x=images["X"])
    assert load_dataset(path, labelled=False).y is None
    with pytest.raises(DataError, match="no array y_train or y"):
        load_dataset(path)
    np.savez(path, photos=images["X"])
    with pytest.raises(DataError, match=r"no array x_train .* it has photos.npy"):
        load_dataset(path)


def test_pickled_npz_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "d.npz"
    np.savez(path, x_train=np.array([[1, "a"]], object), y_train=[0])
    with pytest.raises(DataError, match="pickled"):
        load_dataset(path)


@pytest.mark.parametrize("shape", ["(1099511627776, 784)", "(0, 10**28)", "(True, 6)", "(" * 90])
def test_npz_with_a_false_header_is_refused(tmp_path: Path, shape: str) -> None:
    text = f"{{'descr': '|u1', 'fortran_order': False, 'shape': {shape}}}".encode()
    text += b" " * (53 - len(text) % 64) + b"\n"
    member = io.BytesIO(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text)
    path = tmp_path / "d.npz"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("x_train.npy", member.getvalue() + bytes(10))
    with pytest.raises(DataError, match="x_train"):
        load_dataset(path)


def test_npz_that_is_not_a_zip_archive_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "d.npz"
    path.write_bytes(b"nothing of the kind")
    with pytest.raises(DataError, match=r"not a complete \.npz file"):
        load_dataset(path)


# ---- Parquet -------------------------------------------------------------------------


@given(X=pixels)
@fuzz
def test_parquet_round_trip(tmp_path: Path, X: Any) -> None:
    frame = pd.DataFrame(X, columns=[f"pixel{i}" for i in range(X.shape[1])])
    frame.insert(0, "label", labels_for(X))
    path = tmp_path / "d.parquet"
    frame.to_parquet(path)
    data = load_dataset(path)
    np.testing.assert_array_equal(data.X, X)
    np.testing.assert_array_equal(data.labels(), labels_for(X))


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        ({"p0": [1], "p1": [2]}, "no label column"),
        ({"label": [1], "image": ["text"]}, "column image"),
        ({"label": [1, 2], "p0": [3, 70_000]}, "row 2, pixel 0: 70000"),
        ({"label": [1, 2], "p0": [3, None]}, "nan"),
        ({"label": [1, 2], "p0": pd.array([True, None], "boolean")}, "row 2, pixel 0: nan"),
        ({"label": [None], "p0": [3]}, "labels of type null, which are not classes"),
        ({"label": [1]}, "no columns of pixels"),
    ],
)
def test_an_invalid_parquet_file_is_refused(tmp_path: Path, frame: Any, message: str) -> None:
    path = tmp_path / "d.parquet"
    pd.DataFrame(frame).to_parquet(path)
    with pytest.raises(DataError, match=message):
        load_dataset(path)


# ---- arbitrary bytes-------------------------------------------------------------------


def good_csv() -> bytes:
    X = np.random.default_rng(0).integers(0, 256, (6, 4))
    return csv_text(X, labels_for(X)).encode()


def good_npz() -> bytes:
    file = io.BytesIO()
    X = np.random.default_rng(0).integers(0, 256, (6, 4), np.uint8)
    np.savez_compressed(file, x_train=X, y_train=labels_for(X))
    return file.getvalue()


def good_parquet() -> bytes:
    file = io.BytesIO()
    pd.DataFrame({"label": [0, 1], "p0": [2, 3]}).to_parquet(file)
    return file.getvalue()


def zipped(members: dict[str, bytes]) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return file.getvalue()


GOOD: dict[str, Callable[[], bytes]] = {
    "d.csv": good_csv,
    "d.csv.gz": lambda: gzip.compress(good_csv()),
    "d-idx3-ubyte": lambda: GOOD_IDX,
    "d-idx3-ubyte.gz": lambda: gzip.compress(GOOD_IDX),
    "d.npz": good_npz,
    "d.parquet": good_parquet,
    "d.zip": lambda: zipped({"d.csv": good_csv(), "e.txt": b"?"}),
}


@pytest.mark.parametrize("name", GOOD)
@given(data=st.data())
@fuzz
def test_damaged_files_are_read_or_refused_never_a_crash(
    tmp_path: Path, name: str, data: st.DataObject
) -> None:
    content = bytearray(GOOD[name]())
    for _ in range(data.draw(st.integers(0, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    keep = data.draw(st.integers(0, len(content)))
    (tmp_path / name).write_bytes(content[:keep] if data.draw(st.booleans()) else content)
    try:
        load_dataset(tmp_path / name, labelled=not name.startswith("d-idx"))
    except DataError as error:
        assert name in error.cause
        assert error.cure


def test_any_flipped_bit_in_an_archive_is_read_or_refused(tmp_path: Path) -> None:
    content = zipped({"d.csv": b"label,pixel0,pixel1\n0,1,2\n1,3,4\n"})
    path = tmp_path / "d.zip"
    for bit in range(8 * len(content)):
        damaged = bytearray(content)
        damaged[bit // 8] ^= 1 << bit % 8
        path.write_bytes(damaged)
        try:
            open_member(path / "d.csv").close()
        except DataError as error:
            assert "d.zip" in error.cause


@pytest.mark.filterwarnings("ignore::mnn_gpu.DataWarning")
@pytest.mark.parametrize("name", GOOD)
@given(content=st.binary(max_size=200))
@fuzz
def test_arbitrary_bytes_are_read_or_refused(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    try:
        load_dataset(tmp_path / name, labelled=False)
    except DataError as error:
        assert name in error.cause


def test_the_idx_header_is_the_published_layout() -> None:
    assert idx_header((60000, 28, 28)) == struct.pack(">IIII", 2051, 60000, 28, 28)
    assert idx_header((60000,)) == struct.pack(">II", 2049, 60000)


# ---- roles of columns ----------------------------------------------------------------


def both_readers(path: Path, **options: Any) -> tuple[Any, Any]:
    """Return pixels and labels, after comparing the reader in memory with the one of `convert`."""
    data = load_dataset(path, **options)
    out = path.parent / "converted"
    shutil.rmtree(out, ignore_errors=True)
    convert(path, out, **options)
    again = load_dataset(out)
    np.testing.assert_array_equal(data.X, again.X)
    np.testing.assert_array_equal(data.labels(), again.labels())
    return data.X.tolist(), data.labels().tolist()


@pytest.mark.parametrize(
    "text",
    [
        "label;p;q\n3;0;9\n4;255;1\n",
        "label\tp\tq\n3\t0\t9\n4\t255\t1\n",
        "label p q\n3 0  9\n 4  255 1 \n",
        "sep=,\nlabel,p,q\n3,0,9\n4,255,1\n",
        "sep=;\r\nlabel;p;q\r\n3;0;9\r\n4;255;1\r\n",
        "# made by hand\nlabel,p,q\n3,0,9\n# the last row\n4,255,1\n",
    ],
)
def test_other_separators_and_comments(tmp_path: Path, text: str) -> None:
    (tmp_path / "d.csv").write_bytes(text.encode())
    assert both_readers(tmp_path / "d.csv") == ([[0, 9], [255, 1]], [3, 4])


def test_decimal_commas(tmp_path: Path) -> None:
    (tmp_path / "d.csv").write_text("label;p;q\n3;0,5;1\n4;0;0,25\n")
    assert both_readers(tmp_path / "d.csv") == ([[0.5, 1], [0, 0.25]], [3, 4])


def test_an_error_after_comments_has_the_right_line_number(tmp_path: Path) -> None:
    (tmp_path / "d.csv").write_text("# a\nlabel;p\n1;2\n1;300\n")
    with pytest.raises(DataError, match="line 4, column 'p': '300' is not from 0 to 255"):
        load_dataset(tmp_path / "d.csv")


LABEL_LAST = "0,0,9,3\n0,8,0,7\n0,5,1,3\n0,2,2,7\n"


def test_a_label_in_the_last_column_without_a_header(tmp_path: Path) -> None:
    (tmp_path / "d.csv").write_text(LABEL_LAST)
    with pytest.warns(DataWarning, match="the last column is used as the label"):
        assert both_readers(tmp_path / "d.csv")[1] == [3, 7, 3, 7]


@pytest.mark.parametrize("column", ["last", "-1", "3", -1, 3, "column 4"])
def test_the_label_column_by_position(tmp_path: Path, column: Any) -> None:
    (tmp_path / "d.csv").write_text(LABEL_LAST)
    X, y = both_readers(tmp_path / "d.csv", label_column=column)
    assert (X[0], y) == ([0, 0, 9], [3, 7, 3, 7])
    assert load_dataset(tmp_path / "d.csv", label_column="first").labels().tolist() == [0] * 4
    with pytest.raises(DataError, match="has 4 columns, not a column 4"):
        load_dataset(tmp_path / "d.csv", label_column="4")


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([[0, 5, 0], [0, 6, 0], [0, 7, 0]], "not clear whether its first column"),
        ([[i % 2, 9, i % 3] for i in range(30)], "not clear whether its first column"),
        ([[i, 9, 7 * i % 199] for i in range(100)], r"with 100 values in 100 rows"),
        (
            [[0, 8, i % 2, 1 - i % 2] for i in range(9)],
            r"one-hot labels in its last 2 columns \(column 3 to column 4\)",
        ),
    ],
)
def test_an_ambiguous_label_column_must_be_given(
    tmp_path: Path, rows: list[list[int]], message: str
) -> None:
    (tmp_path / "d.csv").write_text("".join(",".join(map(str, row)) + "\n" for row in rows))
    with pytest.raises(DataError, match=message) as caught:
        load_dataset(tmp_path / "d.csv")
    assert "label" in caught.value.cure


@pytest.mark.parametrize("dtype", [int, float, bool])
@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_one_hot_labels_are_named_and_the_cure_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, dtype: type
) -> None:
    monkeypatch.chdir(tmp_path)
    y = np.arange(90) % 3
    frame = pd.DataFrame({"p0": y * 7, "p1": 9})
    frame = frame.join(pd.DataFrame(np.eye(3, dtype=dtype)[y], columns=["cat", "dog", "eel"]))
    path = Path(f"d.{kind}")
    frame.to_csv(path, index=False) if kind == "csv" else frame.to_parquet(path)
    with pytest.raises(DataError, match=r"in its last 3 columns \(cat to eel\)") as caught:
        load_dataset(path)
    variables: dict[str, Any] = {"pandas": pd}
    for line in caught.value.cure.split("`")[1].split("; "):
        exec(line, variables)
    data = load_dataset("labelled.csv")
    assert data.labels().tolist() == y.tolist()
    assert data.X.tolist() == frame[["p0", "p1"]].to_numpy().tolist()


@pytest.mark.parametrize("name", ["pixel0", "px_3", "p12", "28x28", "Pixel 7", "pixel_1_2"])
@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_a_label_column_with_a_pixel_s_name_is_refused(
    tmp_path: Path, name: str, kind: str
) -> None:
    path = tmp_path / f"d.{kind}"
    frame = pd.DataFrame({"a": [1, 2, 3], name: [0, 1, 0]})
    frame.to_csv(path, index=False) if kind == "csv" else frame.to_parquet(path)
    with pytest.raises(
        DataError, match=f"column last is called '{name}', which is a pixel"
    ) as caught:
        load_dataset(path, label_column="last")
    assert f"label-column {name}." in caught.value.cure
    with pytest.warns(DataWarning, match=f"read from '{name}', which is a pixel's name"):
        assert load_dataset(path, label_column=name).labels().tolist() == [0, 1, 0]


def test_an_error_about_a_single_class_names_the_label_column(tmp_path: Path) -> None:
    pd.DataFrame({"label": [5, 5], "p": [1, 2]}).to_csv(tmp_path / "d.csv", index=False)
    data = load_dataset(tmp_path / "d.csv")
    with pytest.raises(DataError, match=r"d.csv, column 'label': all labels are 5") as caught:
        several_classes(np.unique(data.labels()), data.source, data.label_name)
    assert "--label-column" in caught.value.cure
    assert "classes=" not in caught.value.cure
    with pytest.raises(DataError, match="y: all labels are 5"):
        train(data.X, data.labels())


def test_a_label_read_as_a_pixel_is_located(tmp_path: Path) -> None:
    (tmp_path / "d.csv").write_text("label,p,q\ncat,1,0\ndog,2,1\n")
    with pytest.raises(DataError, match="line 2, column 'label': 'cat'") as caught:
        load_dataset(tmp_path / "d.csv", label_column="last")
    assert caught.value.cure == "If it holds the labels: --label-column label."


def test_a_label_column_is_for_tables_only(tmp_path: Path) -> None:
    np.savez(tmp_path / "d.npz", x_train=np.zeros((2, 2), np.uint8), y_train=[0, 1])
    convert(tmp_path / "d.npz", tmp_path / "d")
    calls: list[Callable[[], Any]] = [
        lambda: load_dataset(tmp_path / "d.npz", label_column="last"),
        lambda: load_dataset(tmp_path / "d", label_column="last"),
        lambda: open_blocks(tmp_path / "d", "last"),
        lambda: convert(tmp_path / "d.npz", tmp_path / "e", label_column="last"),
        lambda: convert(tmp_path / "d", tmp_path / "e", label_column="last"),
    ]
    for call in calls:
        with pytest.raises(UsageError, match="names a column of a table"):
            call()


@pytest.mark.parametrize("name", ["", "id", "Index", "Unnamed: 0", "fold", "ImageId", "row_names"])
@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_columns_that_number_rows_are_left_out(tmp_path: Path, name: str, kind: str) -> None:
    path = tmp_path / f"d.{kind}"
    frame = pd.DataFrame({name: [7, 2, 5], "p": [1, 2, 3], "label": [0, 1, 0], "q": [9, 8, 7]})
    frame.to_csv(path, index=False) if kind == "csv" else frame.to_parquet(path)
    with pytest.warns(DataWarning, match=f"left out '{name}', which numbers the rows"):
        assert both_readers(path) == ([[1, 9], [2, 8], [3, 7]], [0, 1, 0])
    assert both_readers(path, keep_columns=True)[0][0] == [7, 1, 9]
    assert load_dataset(path, labelled=False, features=3).X.shape == (3, 3)


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_a_column_that_counts_up_is_left_out(tmp_path: Path, kind: str) -> None:
    path = tmp_path / f"d.{kind}"
    count = np.arange(1, 13)
    frame = pd.DataFrame({"sample": count + 300, "p": count * 7 % 11, "label": count % 2})
    frame.to_csv(path, index=False) if kind == "csv" else frame.to_parquet(path)
    with pytest.warns(DataWarning, match="left out 'sample'"):
        assert both_readers(path)[0] == [[p] for p in (count * 7 % 11).tolist()]


def test_the_index_of_a_data_frame_in_parquet_is_left_out(tmp_path: Path) -> None:
    index = pd.Index([9, 4, 6], name="sample")
    frame = pd.DataFrame({"p": [1, 2, 3], "label": [0, 1, 0]}, index=index)
    frame.to_parquet(tmp_path / "d.parquet")
    assert both_readers(tmp_path / "d.parquet") == ([[1], [2], [3]], [0, 1, 0])


def test_row_names_written_by_r_are_left_out(tmp_path: Path) -> None:
    (tmp_path / "d.csv").write_text('"label" "p"\n"1" 3 9\n"2" 4 8\n')
    with pytest.warns(DataWarning, match="left out ''"):
        assert load_dataset(tmp_path / "d.csv").X.tolist() == [[9], [8]]


def test_row_names_may_be_text(tmp_path: Path) -> None:
    (tmp_path / "d.csv").write_text("id,p,label\nimg_7,9,3\nimg_2,8,4\n")
    with pytest.warns(DataWarning, match="left out 'id'"):
        assert both_readers(tmp_path / "d.csv") == ([[9], [8]], [3, 4])


# ---- first lines that are rows ----------------------------------------------------------------


CLASSES = ("cat", "dog", "cat", "bird", "dog", "cat")


@pytest.mark.parametrize("last", [False, True])
@pytest.mark.parametrize("position", [None, "said"])
def test_class_names_in_the_first_line_are_not_a_header(
    tmp_path: Path, last: bool, position: str | None
) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (6, 4))
    rows = [[*map(str, row)] for row in pixels]
    lines = [
        ",".join([*row, name] if last else [name, *row])
        for row, name in zip(rows, CLASSES, strict=True)
    ]
    (tmp_path / "d.csv").write_text("\n".join(lines) + "\n")
    column = None if position is None else ("last" if last else "first")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DataWarning)
        data = load_dataset(tmp_path / "d.csv", label_column=column)
    np.testing.assert_array_equal(data.X, pixels)
    assert data.labels().tolist() == list(CLASSES)
    assert data.feature_names is None


@pytest.mark.parametrize(
    "header", ["label,0,1,2", "0,1,2,label", ",0,1,2,label", "kind,a,b,c", "1990,1991,kind,1992"]
)
def test_a_header_may_mix_numbers_and_text(tmp_path: Path, header: str) -> None:
    names = header.split(",")
    at = next(i for i, name in enumerate(names) if name in ("label", "kind"))
    is_text = header.startswith("kind") or "label" in names
    rows = [["7"] * len(names) for _ in range(3)]
    for i, row in enumerate(rows):
        row[at] = CLASSES[i] if is_text else str(i)
        if names[0] == "":
            row[0] = str(i)
    lines = [header, *(",".join(row) for row in rows)]
    (tmp_path / "d.csv").write_text("\n".join(lines) + "\n")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DataWarning)
        data = load_dataset(tmp_path / "d.csv", label_column=names[at])
    assert len(data) == 3


def test_a_missing_cell_in_the_first_row_is_not_a_header(tmp_path: Path) -> None:
    (tmp_path / "d.csv").write_text("0,,5,6\n1,2,3,4\n0,2,3,4\n1,2,3,4\n")
    with pytest.raises(DataError, match="line 1"):
        load_dataset(tmp_path / "d.csv", label_column="first")


def test_tab_separated_tables_end_in_tsv(tmp_path: Path) -> None:
    (tmp_path / "d.tsv").write_text("label\ta\tb\n0\t1\t2\n1\t3\t4\n")
    assert load_dataset(tmp_path / "d.tsv").X.tolist() == [[1, 2], [3, 4]]
    assert convert(tmp_path / "d.tsv", tmp_path / "out").index.rows == 2
    (tmp_path / "folder").mkdir()
    (tmp_path / "d.tsv").rename(tmp_path / "folder" / "train.tsv")
    assert load_dataset(tmp_path / "folder").X.tolist() == [[1, 2], [3, 4]]
