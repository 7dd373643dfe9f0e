"""Reading Parquet files with one column per pixel and a label column, using pyarrow."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from mnn_gpu.data.columns import (
    COUNTED,
    MANY,
    MANY_CLASSES,
    Columns,
    TableOptions,
    check_one_column,
    choose,
    label_position,
    needs_label_name,
)
from mnn_gpu.data.dataset import Dataset, checked_labels
from mnn_gpu.data.labels import LABEL_CURE
from mnn_gpu.data.parquet.images import (
    ImageColumn,
    batch_rows,
    cells_of,
    image_column,
    is_image,
    is_text,
)
from mnn_gpu.data.parquet.page_limits import check_pages
from mnn_gpu.data.pixels import checked_pixels
from mnn_gpu.data.untrusted_files import unpacked_limit
from mnn_gpu.errors import DataError

COLUMN_CURE = "Use one numeric column per pixel and one for the label."
DAMAGE_CURE = "Download or copy it again."
MOST_COLUMNS = 1 << 17


def read_parquet(path: Path, options: TableOptions) -> Dataset:
    """Read a Parquet file whose columns are a label and pixels, or a label and images.

    Raises
    ------
    DataError
        If pyarrow is missing, the file is damaged or declares far more than it contains, a
        column is not numeric or the label column is missing.
    """
    with open_parquet(path) as file:
        columns = parquet_columns(file, path, options)
        images = image_column(file, columns, path)
        return _read(file, path, columns, images)


@contextmanager
def open_parquet(path: Path, metadata: Any = None, buffer: int = 0) -> Iterator[Any]:
    """Open a Parquet file, and turn exceptions from reading it into a DataError.

    Parameters
    ----------
    path : Path
    metadata : pyarrow.parquet.FileMetaData, optional
        The file's metadata, if known: its footer is then not read again.
    buffer : int
        Bytes of a column to read at a time; 0: the whole column of a row group.

    Returns
    -------
    context manager of pyarrow.parquet.ParquetFile
    """
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise DataError(
            f"{path}: reading Parquet needs the package pyarrow.",
            'Run pip install "mnn_gpu[parquet]".',
        ) from error
    try:
        with pyarrow.parquet.ParquetFile(
            path,
            metadata=metadata,
            pre_buffer=False,
            buffer_size=buffer,
            page_checksum_verification=True,
            arrow_extensions_enabled=False,
            thrift_container_size_limit=MOST_COLUMNS,
        ) as file:
            yield file
    except DataError:
        raise
    except (pyarrow.ArrowException, OSError, ValueError, TypeError, KeyError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        cause = f"{path} is not a complete Parquet file ({reason})."
        raise DataError(cause, DAMAGE_CURE) from error


def parquet_columns(file: Any, path: Path, options: TableOptions) -> Columns:
    """Return which columns of a file are pixels and label (see `columns`)."""
    names = [str(name) for name in file.schema_arrow.names]
    described = file.schema_arrow.pandas_metadata or {}
    index = {name for name in described.get("index_columns", ()) if isinstance(name, str)}
    if needs_label_name(names, options):
        _check_one_column(file, path, names)
    at = label_position(names, str(path), options)
    counting = [i for i in _spans(file) if i != at and _counts_up(file, path, names[i])]
    columns = choose(names, at, str(path), options, counting=counting, index=index)
    check_types(file.schema_arrow, columns, path)
    return columns


def _check_one_column(file: Any, path: Path, names: list[str]) -> None:
    """Check, in the first rows, that the labels are not one-hot columns at the end."""
    # A column of structs has several leaf columns.
    if not file.metadata.num_row_groups or file.metadata.num_columns != len(names):
        return
    check_pages(path, file.metadata, 0)
    last = names[-MANY_CLASSES:]
    batch = next(file.iter_batches(MANY, row_groups=[0], columns=last, use_threads=False), None)
    columns = [] if batch is None else [map(str, column.to_pylist()) for column in batch.columns]
    rows = list(zip(*columns, strict=True))
    check_one_column(last, rows, str(path), f"pandas.read_parquet({str(path)!r})")


def _spans(file: Any) -> list[int]:
    """Return the columns whose range in the first row group is that of a row number."""
    # A column of structs has several leaf columns.
    if not file.metadata.num_row_groups or file.metadata.num_columns != len(file.schema_arrow):
        return []
    group = file.metadata.row_group(0)
    found = []
    for i in range(group.num_columns if group.num_rows >= COUNTED else 0):
        statistics = group.column(i).statistics
        known = statistics is not None and statistics.has_min_max
        if not known or not isinstance(statistics.min, int):
            continue
        if statistics.max - statistics.min == group.num_rows - 1:
            found.append(i)
    return found


def _counts_up(file: Any, path: Path, name: str) -> bool:
    check_pages(path, file.metadata, 0)
    batch = next(file.iter_batches(COUNTED, row_groups=[0], columns=[name], use_threads=False))
    cells = batch.columns[0].to_pylist()
    return bool(cells) and cells == list(range(cells[0], cells[0] + len(cells)))


def _read(file: Any, path: Path, columns: Columns, images: ImageColumn | None) -> Dataset:
    at = columns.label_at
    rows = checked_rows(file.metadata, len(columns.names), path)
    check_pages(path, file.metadata)
    pixels, labels = [], []
    for cells in all_batches(file, columns, images, str(path)):
        if at is not None:
            labels.append(cells[at])
        pixels.append(stacked(cells, columns, images))
    X = np.concatenate(pixels)
    del pixels
    if len(X) != rows:
        raise DataError(f"{path} declares {rows} rows, but has {len(X)}.", DAMAGE_CURE)
    X = checked_pixels(X, str(path))
    y = checked_labels(np.concatenate(labels), rows, str(path)) if labels else None
    label = columns.label_name
    if images is not None:
        return Dataset(X, y, str(path), images.image_shape, label_name=label)
    return Dataset(X, y, str(path), None, columns.feature_names, label)


def all_batches(
    file: Any,
    columns: Columns,
    images: ImageColumn | None,
    source: str,
    groups: list[int] | None = None,
) -> Iterator[list[npt.NDArray[Any]]]:
    """Yield the cells of all columns, some rows at a time; images as (rows, features)."""
    if images is None:
        return column_batches(file, len(columns.names), groups)
    every = list(range(file.num_row_groups))
    return images.batches(file, columns, every if groups is None else groups, source)


def stacked(
    cells: list[npt.NDArray[Any]], columns: Columns, images: ImageColumn | None
) -> npt.NDArray[Any]:
    """Return the pixels in the result of `all_batches`, (rows, features)."""
    if images is not None:
        return cells[images.at]
    return np.stack([cells[i] for i in columns.pixels], axis=1)


def check_types(schema: Any, columns: Columns, path: Path) -> None:
    """Check that all columns contain numbers, or one contains images, before unpacking."""
    from pyarrow import types

    if any(is_image(schema.field(i).type) for i in columns.pixels):
        columns = replace(columns, pixels=[])
    elif not columns.pixels:
        raise DataError(f"{path} has no columns of pixels.", COLUMN_CURE)
    numeric = (types.is_integer, types.is_floating, types.is_boolean)
    label, read = columns.label_at, {*columns.pixels, columns.label_at}
    for column, field in enumerate(schema):
        if column not in read:
            continue
        kind = field.type.value_type if types.is_dictionary(field.type) else field.type
        if any(is_one(kind) for is_one in numeric) or (column == label and is_text(kind)):
            continue
        if column == label:
            raise DataError(f"{path} has labels of type {kind}, which are not classes.", LABEL_CURE)
        raise DataError(f"{path}, column {field.name} does not hold numbers.", COLUMN_CURE)


def checked_rows(metadata: Any, columns: int, path: Path) -> int:
    """Return the number of rows, after checking that it is plausible for the file's size."""
    groups = [metadata.row_group(i).num_rows for i in range(metadata.num_row_groups)]
    if metadata.num_rows < 1 or min(groups, default=0) < 0 or sum(groups) != metadata.num_rows:
        raise DataError(
            f"{path} declares {metadata.num_rows} rows, in parts of {sum(groups)}.", DAMAGE_CURE
        )
    if metadata.num_rows * columns > unpacked_limit(path):
        raise DataError(
            f"{path} declares {metadata.num_rows:,} rows of {columns} columns, far more than "
            "plausible for its size.",
            "If you trust it, save it as an .npz file with numpy.savez and give that.",
        )
    return int(metadata.num_rows)


def column_batches(
    file: Any, count: int, groups: list[int] | None = None, names: list[str] | None = None
) -> Iterator[list[npt.NDArray[Any]]]:
    """Yield the columns of some rows at a time; whole numbers become uint8 if they fit.

    Parameters
    ----------
    file : pyarrow.parquet.ParquetFile
    count : int
        Number of columns to read.
    groups : list of int, optional
        Row groups to read. Default: all.
    names : list of str, optional
        Columns to read. Default: all.
    """
    rows = batch_rows(file, count)
    for batch in file.iter_batches(rows, row_groups=groups, columns=names, use_threads=False):
        yield [cells_of(column) for column in batch.columns]
