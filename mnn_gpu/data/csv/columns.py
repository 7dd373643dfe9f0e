"""The layout of a CSV file, from its first lines: dialect, header and columns."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import IO

import numpy as np
import numpy.typing as npt

from mnn_gpu.data.columns import (
    Columns,
    TableOptions,
    choose,
    counting_columns,
    label_position,
    needs_label_name,
)
from mnn_gpu.data.csv.dialect import Dialect, dialect_of, open_cells
from mnn_gpu.data.labels import is_number
from mnn_gpu.data.unnamed_label import MANY, check_one_column, guessed_label
from mnn_gpu.data.unpacking import lines, open_text
from mnn_gpu.data.untrusted_files import KIND_CURE, READ_ERRORS, explain_os_error
from mnn_gpu.errors import DataError

FEW = 12
"""Number of rows that are examined for columns that count up."""
MISSING = ("", "NA", "N/A", "?", "-", "null", "None")
"""Cells that represent missing values, and are not column names."""


@dataclass(frozen=True)
class Layout:
    """The layout of a CSV file.

    Attributes
    ----------
    columns : Columns
    header : bool
        Whether the first nonblank line is a header.
    first : list of str
        The cells of the next line; empty if there is none.
    dialect : Dialect
    """

    columns: Columns
    header: bool
    first: list[str]
    dialect: Dialect

    def parted(
        self, cells: npt.NDArray[np.uint8]
    ) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64] | None]:
        """Return pixels and labels, given rows with all columns."""
        columns = self.columns
        at = columns.label_at
        y = None if at is None else cells[:, at].astype(np.int64)
        if not columns.is_plain:
            return np.ascontiguousarray(cells[:, columns.pixels]), y
        if at is None:
            return cells, y
        return np.ascontiguousarray(cells[:, 1:]) if at == 0 else np.delete(cells, at, axis=1), y


def csv_layout(path: Path, options: TableOptions) -> Layout:
    """Determine the layout of a CSV file from its first lines.

    A file without a header line has a label if one is required, or if a row has more cells
    than ``features``.

    Raises
    ------
    DataError, UnicodeDecodeError, csv.Error, OSError
        The latter three are handled by `csv_errors`.
    """
    with open_text(path) as file:
        dialect = dialect_of(list(islice(lines(file, path), FEW)))
    rows = _first_rows(path, dialect, FEW)
    first = rows[0]
    _check_no_page(path, " ".join(first[:2]))
    header = _is_header(first, rows[1] if len(rows) > 1 else [])
    numbered = _counts_from_0(first)
    body = rows[1:] if header or numbered else rows
    if header and _has_row_names(first, body):
        first = ["", *first]  # R's write.table writes no name for the row names.
    names = first if header or numbered else [f"column {i + 1}" for i in range(len(first))]
    if header and needs_label_name(names, options):
        more = _first_rows(path, dialect, MANY)[1:]
        check_one_column(names, more, str(path), f"pandas.read_csv({str(path)!r})")
    if header or options.label_column is not None:
        at = label_position(names, str(path), options)
    elif not options.labelled and options.features in (None, len(first)):
        at = None
    else:
        more = _first_rows(path, dialect, MANY)
        at = guessed_label(more[1:] if numbered else more, str(path))
    columns = choose(names, at, str(path), options, counting=counting_columns(body))
    second = rows[1] if len(rows) > 1 else []
    return Layout(columns, header or numbered, second, dialect)


def _check_no_page(path: Path, text: str) -> None:
    """Check that a file is not a web page or a pointer of Git LFS."""
    begin = text.lstrip().lower()
    if begin.startswith(("<!doctype", "<html", "<?xml")):
        raise DataError(
            f"{path} is a web page, not a CSV file.",
            "Download the file itself; the server may require a login first.",
        )
    if begin.startswith("version https://git-lfs"):
        raise DataError(f"{path} is a pointer of Git LFS, not the file.", "Run: git lfs pull")


def open_rows(path: Path, dialect: Dialect) -> IO[str]:
    """Open a CSV file as text with commas between cells, as `csv` requires it."""
    return io.TextIOWrapper(open_cells(path, dialect), encoding="utf-8-sig", newline="")


@contextmanager
def csv_errors(path: Path) -> Iterator[None]:
    """Turn exceptions from reading a CSV file into a DataError."""
    try:
        yield
    except UnicodeDecodeError as error:
        raise DataError(
            f"{path} is not a text file ({error.reason} at byte {error.start}).",
            KIND_CURE,
        ) from error
    except csv.Error as error:
        raise DataError(
            f"{path} is not a CSV file ({error}).", "Separate cells with commas."
        ) from error
    except READ_ERRORS as error:
        raise explain_os_error(error, path) from error


def _first_rows(path: Path, dialect: Dialect, count: int) -> list[list[str]]:
    """Return the first rows that are not blank."""
    with open_rows(path, dialect) as file:
        rows = list(islice((row for row in csv.reader(lines(file, path)) if row), count))
    if not rows:
        raise DataError(f"{path} is empty.", "Download or copy it again.")
    return rows


def _has_row_names(header: list[str], body: list[list[str]]) -> bool:
    """Return whether every row begins with its number, which has no name in the header."""
    counted = [row[0] for row in body] == [str(i) for i in range(1, len(body) + 1)]
    return len(body) > 1 and counted and all(len(row) == len(header) + 1 for row in body)


def _is_header(first: list[str], second: list[str]) -> bool:
    """Return whether the first line has a text that cannot be a value.

    Texts in a row of numbers are class names if the second line has texts in the same places,
    unless the numbers are column numbers.
    """
    texts = [i for i, cell in enumerate(first) if not is_number(cell)]
    if not texts or len(second) != len(first):
        return bool(texts)
    are_names = any(is_number(second[i]) and first[i].strip() not in MISSING for i in texts)
    numbers = [cell for cell in first if is_number(cell)]
    return are_names or not numbers or _counts_from_0(numbers)


def _counts_from_0(cells: list[str]) -> bool:
    """Return whether these are pandas' default column names: pixels hardly count up from 0."""
    return len(cells) > 2 and cells == [str(i) for i in range(len(cells))]
