"""CSV files such as Kaggle's train.csv and test.csv, read with pandas.

pandas reads a good file fast and refuses a bad one; why it refused is then found out by
`csv_fault`, which reads the file again, slowly, to name the row and the column.
"""

from __future__ import annotations

import csv
import warnings
from pathlib import Path
from typing import Any

import numpy as np

from mnn_gpu.data.csv_fault import find_fault
from mnn_gpu.data.dataset import Dataset, checked_labels
from mnn_gpu.data.files import READ_ERRORS, explain_os_error, open_text
from mnn_gpu.errors import DataError

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
        first = _first_row(path)
        header = not all(_is_number(cell) for cell in first)
        if header:
            names = first
            label = label_name(names, label_column, str(path), labelled)
        else:
            names = [f"column {i + 1}" for i in range(len(first))]
            label = None if not labelled and features == len(first) else names[0]
            if label_column is not None:
                label = label_name(names, label_column, str(path), labelled)
        return _read(path, names, label, header)
    except UnicodeDecodeError as error:
        raise DataError(
            f"{path} is not a text file ({error.reason} at byte {error.start}).",
            "Give a CSV file in UTF-8; an .npz, IDX or Parquet file needs its own ending.",
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
            f"{source} has several label columns: {', '.join(found)}.",
            "Name the right one with --label-column and remove the others.",
        )
    if not found and (labelled or wanted is not None):
        shown = ", ".join(names[:4]) + (", ..." if len(names) > 4 else "")
        raise DataError(
            f"{source} has no label column {wanted or LABEL_NAMES[0]!r} (it has {shown}).",
            "Name the column with --label-column NAME; a file without labels, such as "
            "Kaggle's test.csv, is for predict.",
        )
    return found[0] if found else None


def _first_row(path: Path) -> list[str]:
    with open_text(path) as file:
        row = next((row for row in csv.reader(file) if row), None)
    if row is None:
        raise DataError(f"{path} is empty.", "Download or copy it again.")
    return row


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _read(path: Path, names: list[str], label: str | None, header: bool) -> Dataset:
    import pandas as pd

    # Positions instead of names: names may repeat, and pandas then renames them.
    columns = list(range(len(names)))
    label_at = None if label is None else names.index(label)
    dtypes: dict[int, Any] = dict.fromkeys(columns, np.uint8)
    if label_at is not None:
        dtypes[label_at] = np.int64
    try:
        with warnings.catch_warnings():
            # To pandas a row longer than the header and an infinity are only warnings.
            warnings.simplefilter("error", pd.errors.ParserWarning)
            warnings.simplefilter("error", RuntimeWarning)
            frame = pd.read_csv(
                path,
                header=0 if header else None,
                names=columns,
                index_col=False,
                dtype=dtypes,
                encoding="utf-8-sig",
            )
    except (ValueError, OverflowError, pd.errors.ParserWarning, RuntimeWarning) as error:
        raise find_fault(path, names, label_at, header, error) from error
    if frame.empty or len(columns) == (label is not None):
        raise DataError(f"{path} has no rows of pixels.", "Download or copy it again.")
    y = None
    if label_at is not None:
        y = checked_labels(frame[label_at].to_numpy(), len(frame), str(path))
        frame = frame.drop(columns=label_at)
    return Dataset(np.ascontiguousarray(frame.to_numpy()), y, str(path))
