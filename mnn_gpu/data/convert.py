"""Conversion of any data set, also larger than memory, to a folder for random access."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from mnn_gpu.data.columns import TableOptions
from mnn_gpu.data.mnist import Part
from mnn_gpu.data.npy_folder.index import Index
from mnn_gpu.data.npy_folder.output_folder import output_folder
from mnn_gpu.data.npy_folder.writer import FolderWriter
from mnn_gpu.data.overwriting import check_not_input
from mnn_gpu.data.pixel_dtype import KINDS
from mnn_gpu.data.stream_reader import Stream, open_stream
from mnn_gpu.data.untrusted_files import given_path
from mnn_gpu.errors import DataError
from mnn_gpu.storage.file_kind import check_ending
from mnn_gpu.utils.validation import one_of, whole


@dataclass(frozen=True)
class Converted:
    """The result of a conversion.

    Attributes
    ----------
    source : str
    index : Index
        Rows, type, classes and so on, as in the folder.
    size : int
        Total size in bytes of the files of images and labels.
    """

    source: str
    index: Index
    size: int


def convert(
    paths: str | Path | Sequence[str | Path],
    out: str | Path,
    *,
    part: Part = "train",
    label_column: str | int | None = None,
    keep_columns: bool = False,
    labelled: bool = True,
    dtype: str | None = None,
    rows_per_file: int | None = None,
    on_rows: Callable[[int], None] | None = None,
) -> Converted:
    """Write a data set as NumPy files, to be read by `open_blocks` and `load_dataset`.

    The data are read once. CSV and Parquet files may be larger than memory; .npz and IDX
    files are read whole, as by `load_dataset`. The folder contains ``images-00000.npy``, (rows,
    features), ``labels-00000.npy``, (rows,) int64, and so on, and ``index.json``, which is
    written last: a folder without it is not read.

    Parameters
    ----------
    paths : path or sequence of two paths
        As for `load_dataset`; a folder written by this function is divided into files anew.
    out : path
        A folder that does not exist, is empty, or contains a conversion that was killed.
    part : {"train", "test"}
        Which part to use if a folder or an .npz has both.
    label_column, keep_columns
        As for `load_dataset`.
    labelled : bool
        Whether labels are required.
    dtype : {"uint8", "float32"}, optional
        Whether pixels are whole numbers from 0 to 255 or fractions from 0 to 1. They are not
        scaled here: integers are divided by 255 in training, and fractions take four times
        the disk space. Default: the type of the first rows.
    rows_per_file : int, optional
        Default: the number for which a file of images has about 256 MB.
    on_rows : callable, optional
        Called from time to time with the number of rows written.

    Raises
    ------
    DataError
        If the data are not valid; the message names file, row and column, if known.
    OutputError
        If the folder contains other files or is not writable, or the disk is full.
    UsageError

    In either case all files written are removed.
    """
    if dtype is not None:
        one_of("dtype", dtype, KINDS)
    if rows_per_file is not None:
        rows_per_file = whole("rows_per_file", rows_per_file, 1)
    files = [given_path(path) for path in ([paths] if isinstance(paths, str | Path) else paths)]
    check_ending(Path(out), writes="a folder of NumPy files is written", endings=())
    check_not_input(Path(out), files)
    options = TableOptions(label_column, keep_columns, labelled)
    stream = open_stream(files, part, options, dtype)
    with output_folder(Path(out)):
        return _written(stream, Path(out), rows_per_file, on_rows)


def _written(
    stream: Stream, out: Path, rows_per_file: int | None, on_rows: Callable[[int], None] | None
) -> Converted:
    pieces = (piece for piece in stream.pieces if len(piece[0]))
    first = next(pieces, None)
    if first is None or not first[0].size:
        raise DataError(f"{stream.source} has no rows of pixels.", "Download or copy it again.")
    X, y = first
    writer = FolderWriter(out, X.dtype, X.shape[1], y is not None, rows_per_file)
    try:
        for piece in chain([first], pieces):
            writer.write(*piece)
            if on_rows is not None:
                on_rows(writer.rows)
        index = writer.finish(stream.image_shape, stream.feature_names)
    finally:
        writer.abandon()
    return Converted(stream.source, index, writer.size)
