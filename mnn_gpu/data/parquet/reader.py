"""Reading Parquet files with one column per pixel and a label column, using pyarrow."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from mnn_gpu.data.columns import Columns, TableOptions
from mnn_gpu.data.dataset import Dataset
from mnn_gpu.data.labels import checked_labels
from mnn_gpu.data.parquet.columns import parquet_columns
from mnn_gpu.data.parquet.images import (
    ImageColumn,
    batch_rows,
    cells_of,
    image_column,
)
from mnn_gpu.data.parquet.page_limits import check_pages
from mnn_gpu.data.pixels import checked_pixels
from mnn_gpu.data.untrusted_files import explain_os_error, unpacked_limit
from mnn_gpu.errors import DataError
from mnn_gpu.storage.os_errors import is_of_system
from mnn_gpu.utils.packages import require

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
    require("pyarrow", purpose=f"{path}: reading Parquet", error=DataError)
    import pyarrow.parquet

    try:
        with pyarrow.parquet.ParquetFile(
            path,
            metadata=metadata,
            pre_buffer=False,
            buffer_size=buffer,
            page_checksum_verification=True,
            thrift_container_size_limit=MOST_COLUMNS,
            **_without_extensions(pyarrow.__version__),
        ) as file:
            yield file
    except DataError:
        raise
    except (pyarrow.ArrowException, OSError, ValueError, TypeError, KeyError) as error:
        if is_of_system(error):
            raise explain_os_error(error, path) from error
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        cause = f"{path} is not a complete Parquet file ({reason})."
        raise DataError(cause, DAMAGE_CURE) from error


def _without_extensions(version: str) -> dict[str, bool]:
    """Return the option that extension types are read as their storage, as before pyarrow 21."""
    return {"arrow_extensions_enabled": False} if int(version.partition(".")[0]) >= 21 else {}


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
