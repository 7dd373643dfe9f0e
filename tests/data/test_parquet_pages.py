"""The pages of a Parquet file, which are checked before pyarrow unpacks them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mnn_gpu import DataError, load_dataset
from mnn_gpu.data.parquet.page_limits import page_header
from tests.support.hostile import varint


def written(path: Path, rows: int, **options: Any) -> Path:
    columns = {"label": np.arange(rows) % 10, "p0": np.arange(rows) % 256}
    pyarrow.parquet.write_table(pyarrow.table(columns), path, **options)
    return path


@pytest.mark.parametrize("codec", ["none", "snappy", "gzip", "zstd", "brotli", "lz4"])
@pytest.mark.parametrize("version", ["1.0", "2.0"])
@pytest.mark.parametrize("dictionary", [True, False])
def test_files_of_many_pages_are_read(
    tmp_path: Path, codec: str, version: str, dictionary: bool
) -> None:
    path = written(
        tmp_path / "d.parquet",
        3000,
        compression=codec,
        data_page_version=version,
        use_dictionary=dictionary,
        data_page_size=512,
        row_group_size=1000,
        write_page_checksum=True,
        write_page_index=True,
    )
    data = load_dataset(path)
    np.testing.assert_array_equal(data.X[:, 0], np.arange(3000) % 256)
    np.testing.assert_array_equal(data.labels(), np.arange(3000) % 10)


@pytest.mark.parametrize("field", [2, 3])
@pytest.mark.parametrize("size", [-1, 2**29, 2**40])
def test_a_page_that_declares_too_much_is_not_unpacked(
    tmp_path: Path, field: int, size: int
) -> None:
    path = written(tmp_path / "d.parquet", 100, compression="none", use_dictionary=False)
    content = path.read_bytes()
    at = pyarrow.parquet.read_metadata(path).row_group(0).column(0).data_page_offset
    fields, _ = page_header(content[at:])
    # 0x15 begins a field of 32 bits whose number is the previous one's plus one.
    was, now = (b"\x15" + varint(number) for number in (fields[field], size))
    start = content.index(was, at + (2 if field == 2 else 4))
    path.write_bytes(content[:start] + now + content[start + len(was) :])
    with pytest.raises(DataError, match="a page declares"):
        load_dataset(path)


def test_a_field_of_another_type_is_not_skipped_unseen() -> None:
    large, text = b"\x15" + varint(2**30), b"\x08" + varint(2) + b"\x01x"
    fields, length = page_header(b"\x15\x00" + large + text + b"\x00")
    assert (fields[2], length) == (2**30, 13)


@given(st.binary(max_size=100))
@settings(deadline=None)
def test_any_bytes_are_a_header_or_a_value_error(content: bytes) -> None:
    try:
        _, length = page_header(content)
    except ValueError:
        return
    assert 0 < length <= len(content)


def test_endless_headers_are_refused() -> None:
    for content in (
        b"",
        b"\x1c" * 4096,
        b"\x15" + b"\xff" * 4095,
        b"\x19\x00",
        b"\x05\xfe\xff\x0f",
    ):
        with pytest.raises(ValueError, match="the header of a page"):
            page_header(content)
