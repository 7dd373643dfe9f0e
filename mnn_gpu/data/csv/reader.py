"""Reading CSV files such as Kaggle's train.csv and test.csv.

The common kind is read by `fast_parser`, any other by pandas. If pandas cannot read a file,
`diagnose` reads it again, slowly, to find the line and the column of the error.
"""

from __future__ import annotations

import warnings
from functools import partial
from pathlib import Path
from typing import IO, Any, TypeAlias

import numpy as np
import numpy.typing as npt

from mnn_gpu.data.blocks import Piece
from mnn_gpu.data.columns import Columns, TableOptions
from mnn_gpu.data.csv.columns import Layout, csv_errors, csv_layout
from mnn_gpu.data.csv.diagnose import BYTE, find_fault
from mnn_gpu.data.csv.dialect import open_cells
from mnn_gpu.data.csv.fast_parser import BLOCK, read_digits
from mnn_gpu.data.dataset import Dataset
from mnn_gpu.data.labels import checked_labels, is_number
from mnn_gpu.data.pixel_dtype import of_kind
from mnn_gpu.errors import DataError
from mnn_gpu.utils.packages import require

CsvRows: TypeAlias = tuple[npt.NDArray[np.float64], npt.NDArray[Any] | None]

NUL = b"\0"
"""A crash can leave many of them in a file; pandas before version 3 ends a number there."""

MOST_COLUMNS = 1 << 18
"""Largest number of columns passed to pandas, which takes seconds for them."""


def read_csv(path: Path, options: TableOptions) -> Dataset:
    """Read a CSV file of pixels, with or without a label column; see `load_dataset`.

    Pixels are whole numbers from 0 to 255, or all fractions from 0 to 1. The file is decompressed
    if it ends in .gz.

    Raises
    ------
    DataError
        The message names file, line and column, if known.
    """
    with csv_errors(path):
        layout = csv_layout(path, options)
        columns = layout.columns
        X, y = _rows(path, layout)
        return Dataset(X, y, str(path), None, columns.feature_names, columns.label_name)


def _rows(path: Path, layout: Layout) -> Piece:
    columns, first = layout.columns, layout.first
    cells = {cell.strip().lower() for i, cell in enumerate(first) if i != columns.label_at}
    if cells & {"true", "false"} or len(first) > len(columns.names):
        # pandas would convert a column of these to 1 and 0, and ignore an empty cell at the end
        # of all lines.
        raise find_fault(path, layout)
    opened = partial(open_cells, dialect=layout.dialect)
    digits = read_digits(path, len(columns.names), layout.header, opened)
    if digits is not None and len(digits) and columns.pixels:
        return layout.parted(digits)
    check_columns(path, layout)
    with open_cells(path, layout.dialect) as file:
        if any(NUL in block for block in iter(partial(file.read, BLOCK), b"")):
            raise find_fault(path, layout)
    rows = _pandas_rows(path, layout, text=False) or _pandas_rows(path, layout, text=True)
    if rows is None:
        raise find_fault(path, layout, class_names=has_class_names(layout))
    X, y = rows
    if not X.size:
        raise DataError(f"{path} has no rows of pixels.", "Download or copy it again.")
    fractions = bool(((X > 0) & (X < 1)).any())
    try:
        return of_kind(X, np.float32 if fractions else np.uint8, str(path)), y
    except DataError as error:
        has_names = y is not None and y.dtype.kind == "U"
        raise find_fault(path, layout, fractions, has_names) from error


def _pandas_rows(path: Path, layout: Layout, text: bool) -> CsvRows | None:
    if text and layout.columns.label_at is None:
        return None
    with open_cells(path, layout.dialect) as file:
        rows = pandas_cells(file, layout.columns, layout.header, text)
    if rows is None or not text or rows[1] is None:
        return rows
    try:
        y = checked_labels(rows[1], len(rows[0]), str(path))
    except DataError:
        return None  # `find_fault` locates the error.
    return (rows[0], y) if y.dtype.kind == "U" else None


def has_class_names(layout: Layout) -> bool:
    """Return whether the label in the first row is a class name."""
    at = layout.columns.label_at
    cell = layout.first[at].strip() if at is not None and at < len(layout.first) else ""
    return bool(cell) and not is_number(cell)


def check_columns(path: Path, layout: Layout) -> None:
    """Check that the number of columns is acceptable for pandas.

    Raises
    ------
    DataError
    """
    if len(layout.columns.names) > MOST_COLUMNS:
        raise DataError(
            f"{path} has {len(layout.columns.names):,} columns, and not only numbers from 0 to "
            "255 in them.",
            BYTE.cure,
        )


def pandas_cells(
    file: IO[bytes], columns: Columns, header: bool, text: bool = False
) -> CsvRows | None:
    """Read numbers with pandas; None if a cell is not a number or a label is not a class.

    All cells are read as float64, since pandas before version 3.1 wraps values that exceed
    an integer type (300 becomes 44). The caller checks the range of the pixels.

    Parameters
    ----------
    file : binary file
    columns : Columns
        The label is a non-negative whole number; columns that are left out may hold anything.
    header : bool
        Whether the first line is a header.
    text : bool
        Whether labels are read as text.

    Returns
    -------
    X : (rows, pixels), float64
    y : (rows,), int64 or objects, or None
    """
    pd: Any = require("pandas")

    # By position: names may repeat, and pandas then renames them.
    numbers = list(range(len(columns.names)))
    label_at = columns.label_at
    dtypes: dict[int, Any] = dict.fromkeys(numbers, str)
    dtypes |= dict.fromkeys(columns.pixels, np.float64)
    if label_at is not None:
        dtypes[label_at] = str if text else np.float64
    try:
        with warnings.catch_warnings():
            # For pandas, a row longer than the header and an infinity are only warnings.
            warnings.simplefilter("error", pd.errors.ParserWarning)
            warnings.simplefilter("error", RuntimeWarning)
            frame = pd.read_csv(
                file,
                header=0 if header else None,
                names=numbers,
                index_col=False,
                dtype=dtypes,
                keep_default_na=not text,
                encoding="utf-8-sig",
            )
    except (ValueError, OverflowError, pd.errors.ParserWarning, RuntimeWarning):
        return None
    y = None
    if label_at is not None:
        y = frame[label_at].to_numpy(object if text else None)
        if not text and not ((y >= 0) & (y < 2**53) & (np.floor(y) == y)).all():
            return None
        y = y if text else y.astype(np.int64)
    frame = frame.drop(columns=label_at) if columns.is_plain and label_at is not None else frame
    frame = frame if columns.is_plain else frame[columns.pixels]
    return np.ascontiguousarray(frame.to_numpy()), y
