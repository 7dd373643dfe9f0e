"""What the first lines of a CSV file tell: its columns, and which of them is the label."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from mnn_gpu.data.files import KIND_CURE, READ_ERRORS, explain_os_error, lines, open_text
from mnn_gpu.errors import DataError

LABEL_NAMES = ("label", "class", "target", "digit", "y")


@dataclass(frozen=True)
class Layout:
    """The columns of a CSV file.

    Attributes
    ----------
    names : list of str
        Of the header line, or made.
    label_at : int or None
        Which of them is the label.
    header : bool
        Whether the first line that is not blank is none of the rows.
    first : list of str
        The cells of the line after it; empty if there is none.
    """

    names: list[str]
    label_at: int | None
    header: bool
    first: list[str]


def csv_layout(
    path: Path, label_column: str | None, labelled: bool, features: int | None = None
) -> Layout:
    """Look at the first lines of a CSV file (see `csv.read_csv`).

    Without a header line and ``features`` there is a label.

    Raises
    ------
    DataError, UnicodeDecodeError, csv.Error, OSError
        The latter are for `csv_errors`.
    """
    first, *second = _first_rows(path)
    header = not all(_is_number(cell) for cell in first)
    # pandas numbers columns without names; real pixels hardly count up from 0.
    numbered = len(first) > 2 and first == [str(i) for i in range(len(first))]
    if header:
        names = first
        label = label_name(names, label_column, str(path), labelled)
    else:
        names = first if numbered else [f"column {i + 1}" for i in range(len(first))]
        label = None if not labelled and features == len(first) else names[0]
        if label_column is not None:
            label = label_name(names, label_column, str(path), labelled)
    label_at = None if label is None else names.index(label)
    return Layout(names, label_at, header or numbered, second[0] if second else [])


@contextmanager
def csv_errors(path: Path) -> Iterator[None]:
    """Turn what reading a CSV file raises into a DataError."""
    try:
        yield
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
            "Kaggle's test.csv, is for predict, and for convert --unlabelled.",
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
