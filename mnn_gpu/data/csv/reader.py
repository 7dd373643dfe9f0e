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

from mnn_gpu.data.columns import Columns
from mnn_gpu.data.csv.columns import Layout, csv_errors, csv_layout
from mnn_gpu.data.csv.diagnose import PIXEL_CURE, find_fault
from mnn_gpu.data.csv.dialect import open_cells
from mnn_gpu.data.csv.fast_parser import BLOCK, read_digits
from mnn_gpu.data.dataset import Dataset, checked_labels
from mnn_gpu.data.labels import is_number
from mnn_gpu.data.pixel_dtype import of_kind
from mnn_gpu.errors import DataError

CsvRows: TypeAlias = tuple[npt.NDArray[np.float64], npt.NDArray[Any] | None]

NUL = b"\0"
"""A crash can leave many of them in a file; pandas before version 3 ends a number there."""

MOST_COLUMNS = 1 << 18
"""Largest number of columns passed to pandas, which takes seconds for them."""


def read_csv(
    path: Path,
    label_column: str | int | None = None,
    labelled: bool = True,
    features: int | None = None,
    keep_columns: bool = False,
) -> Dataset:
    """Read a CSV file of pixels, with or without a label column.

    Pixels are whole numbers from 0 to 255, or all fractions from 0 to 1.

    Parameters
    ----------
    path : Path
        Compressed with gzip if it ends in .gz.
    label_column : str or int, optional
        A name, first, last, or a position from 0, negative from the end. Default: the column
        named label, class, target, digit or y; in a file without a header line, the first
        or the last, if the first rows determine it.
    labelled : bool
        Whether labels are required.
    features : int, optional
        Number of pixels per row, if known: it determines whether a file without a header
        line has a label.
    keep_columns : bool
        Whether columns that number rows are pixels too (see `columns.choose`).

    Raises
    ------
    DataError
        The message names file, line and column, if known.
    """
    with csv_errors(path):
        return _read(path, csv_layout(path, label_column, labelled, features, keep_columns))


def _read(path: Path, layout: Layout) -> Dataset:
    names = layout.names
    cells = [cell.strip().lower() for i, cell in enumerate(layout.first) if i != layout.label_at]
    if "true" in cells or "false" in cells:
        # pandas would convert a column of these to 1 and 0.
        raise find_fault(path, layout)
    if len(layout.first) > len(names):
        # pandas would ignore an empty cell at the end of all lines.
        raise find_fault(path, layout)
    opened = partial(open_cells, dialect=layout.dialect)
    digits = read_digits(path, len(names), layout.header, opened)
    if digits is not None and len(digits) and layout.columns.pixels:
        return Dataset(
            *layout.parted(digits), str(path), None, layout.feature_names, layout.label_name
        )
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
        pixels = of_kind(X, np.float32 if fractions else np.uint8, str(path))
    except DataError as error:
        has_names = y is not None and y.dtype.kind == "U"
        raise find_fault(path, layout, fractions, has_names) from error
    return Dataset(pixels, y, str(path), None, layout.feature_names, layout.label_name)


def _pandas_rows(path: Path, layout: Layout, text: bool) -> CsvRows | None:
    if text and layout.label_at is None:
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
    at = layout.label_at
    cell = layout.first[at].strip() if at is not None and at < len(layout.first) else ""
    return bool(cell) and not is_number(cell)


def check_columns(path: Path, layout: Layout) -> None:
    """Check that the number of columns is acceptable for pandas.

    Raises
    ------
    DataError
    """
    if len(layout.names) > MOST_COLUMNS:
        raise DataError(
            f"{path} has {len(layout.names):,} columns, and not only numbers from 0 to 255 in "
            "them.",
            PIXEL_CURE,
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
    import pandas as pd

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
