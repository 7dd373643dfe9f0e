"""A Parquet file, read one row group at a time."""

from __future__ import annotations

import hashlib
from collections.abc import Generator, Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from mnn_gpu.data.blocks import MOST_CLASSES, Blocks, Piece
from mnn_gpu.data.columns import TableOptions
from mnn_gpu.data.labels import LABEL_CURE, checked_labels, text_labels
from mnn_gpu.data.parquet.columns import parquet_columns
from mnn_gpu.data.parquet.images import image_column
from mnn_gpu.data.parquet.page_limits import check_pages
from mnn_gpu.data.parquet.reader import (
    DAMAGE_CURE,
    all_batches,
    checked_rows,
    column_batches,
    open_parquet,
    stacked,
)
from mnn_gpu.data.pixel_dtype import of_kind
from mnn_gpu.data.pixels import checked_pixels, scale_of
from mnn_gpu.errors import DataError
from mnn_gpu.storage.regular_file import open_regular

SAMPLES = 16
SAMPLE = 1 << 16
"""The digest samples this number of places, with this number of bytes each."""

BUFFER = 1 << 14
"""Bytes of each column that are read at a time, so that memory holds only part of a column."""


class ParquetBlocks(Blocks):
    """A Parquet file of labels and pixels; a block is a row group.

    A row group may have any size: its rows are unpacked some at a time, and reading needs
    memory for one page of each column, usually a megabyte or less. But a row group can only be
    read in order: a training run shuffles only within its windows, each shard reads the row
    group separately, and reading from the middle unpacks all earlier rows. Row groups of a few
    thousand rows are best.

    Opening it reads the footer and, if pixels may be fractions, the first rows; the classes are
    determined when first needed, from the label column only. Values are checked when they are
    read, and each read opens the file separately.

    Parameters
    ----------
    path : Path
    options : TableOptions
    dtype : uint8 or float32, optional
        Type of the pixels. Default: uint8 if all columns are whole numbers, or a column's
        statistics contain numbers above 1; else the type of the first rows.

    Raises
    ------
    DataError
        As `read_parquet`.
    """

    def __init__(
        self,
        path: Path,
        options: TableOptions,
        dtype: npt.DTypeLike | None = None,
    ) -> None:
        self.path, self.source = path, str(path)
        self._looked_at: set[int] = set()
        with open_parquet(path) as file:
            self._metadata, schema = file.metadata, file.schema_arrow
            columns = parquet_columns(file, path, options)
            self._images = image_column(file, columns, path)
        self._columns = columns
        self.image_shape = None if self._images is None else self._images.image_shape
        self.feature_names = columns.feature_names if self._images is None else None
        self._names, self._at = columns.names, columns.label_at
        self.label_name = columns.label_name
        self.labelled = self._at is not None
        label = None if self._at is None else self._names[self._at]
        checked_rows(self._metadata, len(self._names), path)
        self.features = len(columns.pixels) if self._images is None else self._images.features
        rows = [self._metadata.row_group(i).num_rows for i in range(self._metadata.num_row_groups)]
        self._groups = [i for i, count in enumerate(rows) if count]
        self.bounds = np.cumsum([0, *(rows[i] for i in self._groups)], dtype=np.int64)
        self.dtype = np.dtype(dtype or self._kind(schema))
        self.digest = _digest(
            path, self._metadata, f"{label}{columns.pixels if not columns.is_plain else ''}"
        )

    @cached_property
    def classes(self) -> npt.NDArray[np.int64]:
        """The distinct labels of all rows, sorted, from one pass over their column."""
        found = np.empty(0, np.int64)
        if self._at is None:
            return found
        for block, first in enumerate(self.bounds[:-1].tolist()):
            at = first
            for [labels] in self._cells(block, [self._names[self._at]]):
                y = self._numbers(labels, at)
                found = np.union1d(found, y)
                at += len(y)
            if len(found) > MOST_CLASSES:
                raise DataError(
                    f"{self.source} has over {MOST_CLASSES:,} different labels.", LABEL_CURE
                )
        return found

    def pieces(self, block: int, start: int, stop: int) -> Generator[Piece, None, None]:
        """Unpack rows of one row group (see `Blocks`), and all rows before them."""
        first, last = self.bounds[block : block + 2].tolist()
        at = 0
        for columns in self._cells(block):
            here = slice(max(start - at, 0), stop - at)
            if len(columns[0][here]):
                yield self._piece([column[here] for column in columns], first + at + here.start)
            at += len(columns[0])
            if at >= stop:
                break
        if at < stop or first + at > last:
            raise DataError(
                f"{self.source} declares {last - first} rows in a row group, but has {at}.",
                DAMAGE_CURE,
            )

    def _piece(self, columns: list[npt.NDArray[Any]], first: int) -> Piece:
        labels = None if self._at is None else columns[self._at]
        pixels = stacked(columns, self._columns, self._images)
        X = of_kind(pixels, self.dtype, self.source, first)
        return X, None if labels is None else self._numbers(labels, first)

    def _numbers(self, labels: npt.NDArray[Any], first: int) -> npt.NDArray[np.int64]:
        y = checked_labels(labels, len(labels), self.source, first)
        if y.dtype.kind == "U":
            raise text_labels(self.source)
        return y

    def _cells(
        self, block: int, names: list[str] | None = None
    ) -> Iterator[list[npt.NDArray[Any]]]:
        group = self._groups[block]
        with open_parquet(self.path, self._metadata, BUFFER) as file:
            if group not in self._looked_at:
                check_pages(self.path, self._metadata, group)
                self._looked_at.add(group)
            if names is None:
                yield from all_batches(file, self._columns, self._images, self.source, [group])
            else:
                yield from column_batches(file, len(names), [group], names)

    def _kind(self, schema: Any) -> npt.DTypeLike:
        """Return the type of the pixels, from column types, statistics and first values."""
        from pyarrow import types

        if self._images is not None and self._images.is_encoded:
            return np.uint8
        kinds = [schema.field(i).type for i in self._columns.pixels]
        kinds = [kind.value_type if types.is_dictionary(kind) else kind for kind in kinds]
        whole = [types.is_integer(kind) for kind in kinds]
        if any(whole) and not any(map(types.is_floating, kinds)):
            return np.uint8
        if self._largest()[0] > 1:
            return np.uint8
        cells = next(self._cells(0))
        first = checked_pixels(stacked(cells, self._columns, self._images), self.source)
        return np.uint8 if first.dtype == np.uint8 and first.max() > 1 else np.float32

    @property
    def pixel_max(self) -> float:
        """The scale of the pixels, from the file's statistics if available."""
        largest, is_complete = self._largest()
        is_known = self.dtype == np.uint8 and is_complete
        return scale_of(largest) if is_known else super().pixel_max

    def _largest(self) -> tuple[float, bool]:
        """Return the largest pixel in the file's statistics, and whether they are complete."""
        if self._images is not None:
            return 0.0, False
        largest, is_complete = 0.0, True
        for group in map(self._metadata.row_group, self._groups):
            for column in self._columns.pixels:
                statistics = group.column(column).statistics
                # For float16 pyarrow returns bytes.
                known = statistics is not None and statistics.has_min_max
                if known and isinstance(statistics.max, int | float):
                    largest = max(largest, float(statistics.max))
                else:
                    is_complete = False
        return largest, is_complete


def _digest(path: Path, metadata: Any, columns: str) -> str:
    """Return a digest of the file's size, footer, and samples of the rest."""
    size = path.stat().st_size
    digest = hashlib.blake2b(f"{size} {columns}".encode(), digest_size=16)
    with open_regular(path) as file:
        for i in range(SAMPLES):
            file.seek(size * i // SAMPLES)
            digest.update(file.read(SAMPLE))
        file.seek(max(0, size - metadata.serialized_size - 8))
        digest.update(file.read(metadata.serialized_size + 8))
    return digest.hexdigest()
