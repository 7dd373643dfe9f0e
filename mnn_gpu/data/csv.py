"""CSV files such as Kaggle's train.csv and test.csv.

The common kind is read by `csv_digits`, any other by pandas. pandas refuses a bad one;
why it refused is then found out by `csv_fault`, which reads the file again, slowly, to
name the row and the column.
"""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import IO

import numpy as np
import numpy.typing as npt

from mnn_gpu.data.csv_digits import read_digits
from mnn_gpu.data.csv_fault import PIXEL_CURE, find_fault
from mnn_gpu.data.csv_layout import Layout, csv_errors, csv_layout
from mnn_gpu.data.dataset import Dataset
from mnn_gpu.data.files import open_binary
from mnn_gpu.data.pixel_kind import of_kind
from mnn_gpu.errors import DataError

MOST_COLUMNS = 1 << 18
"""That pandas is given: it takes seconds for them."""


def read_csv(
    path: Path,
    label_column: str | None = None,
    labelled: bool = True,
    features: int | None = None,
) -> Dataset:
    """Read a CSV file of pixels, with or without a label column.

    Pixels are whole numbers from 0 to 255, or all fractions from 0 to 1.

    Parameters
    ----------
    path : Path
        Compressed if it ends in .gz.
    label_column : str, optional
        Default: the column called label, class, target, digit or y; in a file without a
        header line, the first.
    labelled : bool
        Whether labels are wanted; without, their absence is no error.
    features : int, optional
        How many pixels a row has, if known: in a file without a header line that says
        whether there is a label.

    Raises
    ------
    DataError
        Naming file, row and column where there is one.
    """
    with csv_errors(path):
        return _read(path, csv_layout(path, label_column, labelled, features))


def _read(path: Path, layout: Layout) -> Dataset:
    names, label_at = layout.names, layout.label_at
    if any(cell.strip().lower() in ("true", "false") for cell in layout.first):
        # pandas would take a column of these for 1 and 0.
        raise find_fault(path, names, label_at, layout.header)
    if len(layout.first) > len(names):
        # It would overlook an empty cell too many, if all lines have one.
        raise find_fault(path, names, label_at, layout.header)
    cells = read_digits(path, len(names), layout.header)
    if cells is not None and len(cells) and len(names) > (label_at is not None):
        if label_at is None:
            return Dataset(cells, None, str(path))
        X = np.delete(cells, label_at, axis=1)
        return Dataset(X, cells[:, label_at].astype(np.int64), str(path))
    check_columns(path, layout)
    with open_binary(path) as file:
        read = pandas_cells(file, len(names), label_at, layout.header)
    if read is None:
        raise find_fault(path, names, label_at, layout.header)
    X, y = read
    if not X.size:
        raise DataError(f"{path} has no rows of pixels.", "Download or copy it again.")
    fractions = bool(((X > 0) & (X < 1)).any())
    try:
        pixels = of_kind(X, np.float32 if fractions else np.uint8, str(path))
    except DataError as error:
        raise find_fault(path, names, label_at, layout.header, fractions) from error
    return Dataset(pixels, y, str(path))


def check_columns(path: Path, layout: Layout) -> None:
    """See that pandas is not given too many columns.

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
    file: IO[bytes], columns: int, label_at: int | None, header: bool
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.int64] | None] | None:
    """Read numbers with pandas; None if one of them is not a number or a label is no class.

    pandas reads everything as float64, since before version 3.1 it wraps what does not fit
    an integer type (300 becomes 44). The caller checks the range of the pixels.

    Parameters
    ----------
    file : binary file
    columns : int
    label_at : int or None
        Which of them is the label, a whole number from 0 up.
    header : bool
        Whether the first line is none of the rows.

    Returns
    -------
    X : (rows, columns without the label), float64
    y : (rows,), int64, or None
    """
    import pandas as pd

    # Positions instead of names: names may repeat, and pandas then renames them.
    numbers = list(range(columns))
    try:
        with warnings.catch_warnings():
            # To pandas a row longer than the header and an infinity are only warnings.
            warnings.simplefilter("error", pd.errors.ParserWarning)
            warnings.simplefilter("error", RuntimeWarning)
            frame = pd.read_csv(
                file,
                header=0 if header else None,
                names=numbers,
                index_col=False,
                dtype=np.float64,
                encoding="utf-8-sig",
            )
    except (ValueError, OverflowError, pd.errors.ParserWarning, RuntimeWarning):
        return None
    y = None
    if label_at is not None:
        y = frame[label_at].to_numpy()
        if not ((y >= 0) & (y < 2**53) & (np.floor(y) == y)).all():
            return None
        y = y.astype(np.int64)
        frame = frame.drop(columns=label_at)
    return np.ascontiguousarray(frame.to_numpy()), y
