"""Data of any supported format in one pass, some rows at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from mnn_gpu.data.archive import archive_of
from mnn_gpu.data.blocks import Blocks, Piece
from mnn_gpu.data.columns import TableOptions
from mnn_gpu.data.csv.columns import csv_errors, csv_layout
from mnn_gpu.data.csv.stream import csv_pieces
from mnn_gpu.data.dataset import Dataset, no_labels
from mnn_gpu.data.labels import text_labels
from mnn_gpu.data.load import CSV, PARQUET, check_table, data_file, load_dataset
from mnn_gpu.data.mnist import Part
from mnn_gpu.data.npy_folder.index import is_converted
from mnn_gpu.data.npy_folder.reader import NpyFolder
from mnn_gpu.data.parquet.blocks import ParquetBlocks
from mnn_gpu.data.pixel_dtype import of_kind

PIECE = 1 << 22
"""Pixels per piece."""


@dataclass(frozen=True)
class Stream:
    """Rows that can be read once.

    Attributes
    ----------
    source : str
    image_shape : (height, width) or None
    feature_names : tuple of str or None
    pieces : iterator of (X, y)
        X is always uint8 or always float32; the first piece has at least one row.
    """

    source: str
    image_shape: tuple[int, int] | None
    feature_names: tuple[str, ...] | None
    pieces: Iterator[Piece]


def open_stream(
    paths: Sequence[Path], part: Part, options: TableOptions, dtype: npt.DTypeLike | None
) -> Stream:
    """Open data: CSV and Parquet of any size, other formats if they fit in memory.

    Parameters
    ----------
    paths, part
        As for `load_dataset`.
    options : TableOptions
        If labels are not required, a CSV file without a header line has no label.
    dtype : uint8, float32 or None
        The type of the pixels; None: determined from the first rows.

    Raises
    ------
    DataError
        Here, and when the pieces are read.
    """
    path = paths[0] if len(paths) > 1 else data_file(paths[0], part)
    name = path.name.lower().removesuffix(".gz")
    check_table(path, options.label_column)
    if len(paths) == 1 and is_converted(path):
        return _of_blocks(NpyFolder(path), dtype, options.labelled)
    if len(paths) == 1 and name.endswith(CSV):
        with csv_errors(path):
            layout = csv_layout(path, options)
        pieces = csv_pieces(path, layout, dtype)
        return Stream(str(path), None, layout.columns.feature_names, pieces)
    if len(paths) == 1 and name.endswith(PARQUET) and archive_of(path) is None:
        return _of_blocks(ParquetBlocks(path, options, dtype), dtype, options.labelled)
    data = load_dataset(paths, part, labelled=options.labelled)
    return Stream(data.source, data.image_shape, data.feature_names, _cut(data, dtype))


def _of_blocks(blocks: Blocks, dtype: npt.DTypeLike | None, labelled: bool) -> Stream:
    if labelled and not blocks.labelled:
        raise no_labels(blocks.source)
    pieces: Iterator[Piece] = (piece for _, piece in blocks.whole())
    if dtype is not None and blocks.dtype != dtype:
        pieces = ((of_kind(X, dtype, blocks.source, first), y) for first, (X, y) in blocks.whole())
    return Stream(blocks.source, blocks.image_shape, blocks.feature_names, pieces)


def _cut(data: Dataset, dtype: npt.DTypeLike | None) -> Iterator[Piece]:
    """Yield the rows of data in memory; their type is determined from all of them."""
    if data.y is not None and data.y.dtype.kind == "U":
        raise text_labels(data.source)
    if dtype is None:
        dtype = np.uint8 if data.X.dtype == np.uint8 else np.float32
    rows = max(1, PIECE // data.X.shape[1])
    for start in range(0, len(data), rows):
        X = of_kind(data.X[start : start + rows], dtype, data.source, start)
        yield X, None if data.y is None else data.y[start : start + rows]
