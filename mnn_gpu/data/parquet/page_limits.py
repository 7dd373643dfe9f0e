"""Limits on the pages of a Parquet file, whose footer may declare less than is unpacked.

Source: the Parquet format's `parquet.thrift` (PageHeader), in Thrift's compact protocol.
"""

from __future__ import annotations

from pathlib import Path
from typing import IO, Any

from mnn_gpu.data.untrusted_files import unpacked_limit
from mnn_gpu.storage.regular_file import open_regular

MOST_HEADER = 4096
"""Bytes of a page's header: a column of numbers has fewer than a hundred."""
MOST_TEXT_HEADER = 1 << 14
"""The same for texts and images: Arrow stores the minimum and maximum, of up to 4096 bytes."""
MOST_PAGE = 1 << 28
"""Unpacked bytes of a page, at most; one million is usual."""
MOST_DICTIONARY = 1 << 22
"""The same for texts and images shared by rows: every row of a batch may be as long as one."""
UNPACKED, PACKED, DATA, DICTIONARY, DATA_V2 = 2, 3, 5, 7, 8
VALUES = 1
I32, STRUCT = 5, 12
MOST_FIELD = 100


def check_pages(path: Path, metadata: Any, group: int | None = None) -> None:
    """Check that no page is a decompression bomb, and that columns have one value per row.

    The number of values in a column of lists is bounded by the size of the file.

    Parameters
    ----------
    path : Path
    metadata : pyarrow.parquet.FileMetaData
    group : int, optional
        The only row group to check. Default: all.

    Raises
    ------
    ValueError
        If a check fails, or a page's header is damaged.
    """
    left, most = path.stat().st_size, unpacked_limit(path)
    with open_regular(path) as file:
        for i in range(metadata.num_row_groups) if group is None else [group]:
            left -= _group_bytes(file, metadata, i, left, most)


def _group_bytes(file: IO[bytes], metadata: Any, number: int, left: int, most: int) -> int:
    """Check a row group of at most ``left`` bytes, and return its size in bytes.

    A column of lists may have up to ``most`` values.
    """
    size, group = 0, metadata.row_group(number)
    for j in range(group.num_columns):
        column = group.column(j)
        size += column.total_compressed_size
        if column.total_compressed_size < 0 or size > left:
            raise ValueError("its columns declare more bytes than it has")
        values, is_list = _values(file, column), metadata.schema.column(j).max_repetition_level
        if values != column.num_values or not (is_list or values == group.num_rows):
            raise ValueError(f"column {j + 1} has more or fewer values than rows")
        if values > most:
            raise ValueError(f"column {j + 1} declares {values:,} values")
    return size


def _values(file: IO[bytes], column: Any) -> int:
    """Return the number of values that the pages of a column declare."""
    start = int(column.data_page_offset)
    if column.has_dictionary_page and 0 < column.dictionary_page_offset < start:
        start = int(column.dictionary_page_offset)
    stop, values = start + column.total_compressed_size, 0
    is_text = column.physical_type == "BYTE_ARRAY"
    while start < stop:
        file.seek(start)
        header, length = page_header(file.read(MOST_TEXT_HEADER if is_text else MOST_HEADER))
        sizes = header[UNPACKED], header[PACKED]
        most = MOST_DICTIONARY if is_text and DICTIONARY in header else MOST_PAGE
        if not all(0 <= size <= most for size in sizes):
            raise ValueError(f"a page declares {max(sizes):,} bytes")
        values += (header.get(DATA) or header.get(DATA_V2) or {VALUES: 0})[VALUES]
        start += length + header[PACKED]
    return values


def page_header(content: bytes) -> tuple[dict[int, Any], int]:
    """Return the numbers and structs of a page's header, by field, and its length in bytes."""
    try:
        return _struct(content, 0)
    except (IndexError, RecursionError) as error:
        raise ValueError("the header of a page is damaged") from error


def _struct(content: bytes, at: int) -> tuple[dict[int, Any], int]:
    fields: dict[int, Any] = {}
    field = 0
    while head := content[at]:
        step, kind = head >> 4, head & 15
        at += 1
        if step:
            field += step
        else:
            field, at = _number(content, at)
        if not 0 < field <= MOST_FIELD:
            raise ValueError(f"the header of a page has a field {field}")
        value, at = _value(content, at, kind)
        # Fields of other types are skipped, as in Thrift's readers.
        if kind in (I32, STRUCT):
            fields[field] = value
    return fields, at + 1


def _value(content: bytes, at: int, kind: int) -> tuple[Any, int]:
    if kind in (1, 2):  # True and False have no further bytes.
        return kind == 1, at
    if kind in (4, I32, 6):
        return _number(content, at)
    if kind in (3, 7):  # A byte and a double.
        return None, at + (1 if kind == 3 else 8)
    if kind == 8:
        length, at = _varint(content, at)
        return None, at + length
    if kind == STRUCT:
        return _struct(content, at)
    raise ValueError(f"the header of a page holds a value of kind {kind}")


def _number(content: bytes, at: int) -> tuple[int, int]:
    zigzag, at = _varint(content, at)
    return (zigzag >> 1) ^ -(zigzag & 1), at


def _varint(content: bytes, at: int) -> tuple[int, int]:
    number = shift = 0
    while content[at] & 128:
        number |= (content[at] & 127) << shift
        shift, at = shift + 7, at + 1
    return number | content[at] << shift, at + 1
