"""CSV files such as Kaggle's train.csv and test.csv.

The common kind is read by `csv_digits`, any other by pandas. pandas refuses a bad one;
why it refused is then found out by `csv_fault`, which reads the file again, slowly, to
name the row and the column.
"""

from __future__ import annotations

import csv
import warnings
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from mnn_gpu.data.csv_digits import read_digits
from mnn_gpu.data.csv_fault import PIXEL_CURE, find_fault
from mnn_gpu.data.dataset import Dataset, checked_labels
from mnn_gpu.data.files import (
    KIND_CURE,
    READ_ERRORS,
    explain_os_error,
    lines,
    open_binary,
    open_text,
)
from mnn_gpu.errors import DataError

MOST_COLUMNS = 1 << 18
"""That pandas is given: it takes seconds for them."""
LABEL_NAMES = ("label", "class", "target", "digit", "y")


def read_csv(
    path: Path,
    label_column: str | None = None,
    labelled: bool = True,
    features: int | None = None,
) -> Dataset:
    """Read a CSV file of pixels from 0 to 255, with or without a label column.

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
    try:
        first = _first_rows(path)
        header = not all(_is_number(cell) for cell in first[0])
        # pandas numbers columns without names; real pixels hardly count up from 0.
        numbered = len(first[0]) > 2 and first[0] == [str(i) for i in range(len(first[0]))]
        if header:
            names = first[0]
            label = label_name(names, label_column, str(path), labelled)
        else:
            names = first[0] if numbered else [f"column {i + 1}" for i in range(len(first[0]))]
            label = None if not labelled and features == len(first[0]) else names[0]
            if label_column is not None:
                label = label_name(names, label_column, str(path), labelled)
        return _read(path, names, label, header or numbered, first[1:])
    except UnicodeDecodeError as error:
        raise DataError(
            f"{path} is not a text file ({error.reason} at byte {error.start}).",
            KIND_CURE,
        ) from error
    except csv.Error as error:
        raise DataError(
            f"{path} is not a CSV file ({error}).", "Separate cells by commas."
        ) from error
    except READ_ERRORS as error:
        raise explain_os_error(error, path) from error


def label_name(names: list[str], wanted: str | None, source: str, labelled: bool) -> str | None:
    """Return the name of the label column, None if there is none and none is needed.

    Raises
    ------
    DataError
        If the column asked for, or any that is needed, is missing.
    """
    if wanted is not None:
        found = [name for name in names if name == wanted]
    else:
        found = [name for name in names if name.strip().lower() in LABEL_NAMES]
    if len(found) > 1:
        raise DataError(
            f"{source} has several label columns: {', '.join(found[:4])}.",
            "Name the right one with --label-column and remove the others.",
        )
    if not found and (labelled or wanted is not None):
        shown = ", ".join(name[:40] for name in names[:4]) + (", ..." if len(names) > 4 else "")
        raise DataError(
            f"{source} has no label column {wanted or LABEL_NAMES[0]!r} (it has {shown}).",
            "Name the column with --label-column NAME; a file without labels, such as "
            "Kaggle's test.csv, is for predict.",
        )
    return found[0] if found else None


def _first_rows(path: Path) -> list[list[str]]:
    """Return the first two rows that are not blank."""
    with open_text(path) as file:
        rows = list(islice((row for row in csv.reader(lines(file, path)) if row), 2))
    if not rows:
        raise DataError(f"{path} is empty.", "Download or copy it again.")
    return rows


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _read(
    path: Path, names: list[str], label: str | None, header: bool, second: list[list[str]]
) -> Dataset:
    import pandas as pd

    if any(cell.strip().lower() in ("true", "false") for row in second for cell in row):
        # pandas would take a column of these for 1 and 0.
        raise find_fault(path, names, None if label is None else names.index(label), header)
    label_at = None if label is None else names.index(label)
    cells = read_digits(path, len(names), header)
    if cells is not None and len(cells) and len(names) > (label is not None):
        if label_at is None:
            return Dataset(cells, None, str(path))
        X = np.delete(cells, label_at, axis=1)
        return Dataset(X, cells[:, label_at].astype(np.int64), str(path))
    if len(names) > MOST_COLUMNS:
        raise DataError(
            f"{path} has {len(names):,} columns, and not only numbers from 0 to 255 in them.",
            PIXEL_CURE,
        )
    # Positions instead of names: names may repeat, and pandas then renames them.
    columns = list(range(len(names)))
    dtypes: dict[int, Any] = dict.fromkeys(columns, np.uint8)
    if label_at is not None:
        dtypes[label_at] = np.int64
    try:
        with warnings.catch_warnings():
            # To pandas a row longer than the header and an infinity are only warnings.
            warnings.simplefilter("error", pd.errors.ParserWarning)
            warnings.simplefilter("error", RuntimeWarning)
            with open_binary(path) as file:
                frame = pd.read_csv(
                    file,
                    header=0 if header else None,
                    names=columns,
                    index_col=False,
                    dtype=dtypes,
                    encoding="utf-8-sig",
                )
    except (ValueError, OverflowError, pd.errors.ParserWarning, RuntimeWarning) as error:
        raise find_fault(path, names, label_at, header) from error
    if frame.empty or len(columns) == (label is not None):
        raise DataError(f"{path} has no rows of pixels.", "Download or copy it again.")
    y = None
    if label_at is not None:
        labels = frame[label_at].to_numpy()
        if (labels < 0).any():
            raise find_fault(path, names, label_at, header)
        y = checked_labels(labels, len(frame), str(path))
        frame = frame.drop(columns=label_at)
    return Dataset(np.ascontiguousarray(frame.to_numpy()), y, str(path))
