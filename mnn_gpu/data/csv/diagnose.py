"""Finding the first invalid cell of a CSV file that could not be read, by line and column."""

from __future__ import annotations

import csv
from pathlib import Path

from mnn_gpu.data.columns import has_label_name
from mnn_gpu.data.csv.columns import Layout, open_rows
from mnn_gpu.data.labels import LABEL_CURE
from mnn_gpu.data.unpacking import lines
from mnn_gpu.errors import DataError

PIXEL_CURE = "Pixels in a CSV file are whole numbers from 0 to 255."
FRACTION_CURE = "Pixels are fractions from 0 to 1, all of them."
GOOD = frozenset(map(str, range(256)))
"""Common valid values of pixels and labels, which need no further check."""


def find_fault(
    path: Path, layout: Layout, fractions: bool = False, class_names: bool = False
) -> DataError:
    """Read the file again, slowly, and return the first error.

    Parameters
    ----------
    path : Path
    layout : Layout
    fractions : bool
        Whether pixels are fractions from 0 to 1, instead of whole numbers.
    class_names : bool
        Whether labels may be any nonempty text.

    Returns
    -------
    DataError
        Lines are counted as in an editor, from 1, including the header.
    """
    pixel_fault = _fraction_fault if fractions else _pixel_fault
    pixel_cure = FRACTION_CURE if fractions else PIXEL_CURE
    good = GOOD if not fractions else frozenset("01")
    names, label_at = layout.names, layout.label_at
    read = {*layout.columns.pixels, label_at}
    label_fault = _name_fault if class_names else _label_fault
    with open_rows(path, layout.dialect) as file:
        reader = csv.reader(lines(file, path))
        try:
            rows = (row for row in reader if row)
            if layout.header:
                next(rows, None)
            for row in rows:
                if len(row) == len(names) and good.issuperset(row):
                    continue
                where = f"{path}, line {reader.line_num}"
                if len(row) != len(names):
                    return DataError(
                        f"{where}: {len(row)} cells, but the first line has {len(names)}.",
                        "Every row needs the same columns; the file may be truncated, or its "
                        "cells may not be separated by commas.",
                    )
                for column, cell in enumerate(row):
                    if column not in read:
                        continue
                    fault = label_fault(cell) if column == label_at else pixel_fault(cell)
                    if fault:
                        cure = LABEL_CURE if column == label_at else pixel_cure
                        if column != label_at and has_label_name([names[column]]):
                            cure = f"If it holds the labels: --label-column {names[column]}."
                        return DataError(f"{where}, column {_shown(names[column])}: {fault}.", cure)
        except csv.Error as error:
            return DataError(f"{path} cannot be read as CSV ({error}).", "Download it again.")
    return DataError(f"{path} cannot be read as CSV.", "Download or copy it again.")


def _pixel_fault(cell: str) -> str:
    number = _whole(cell)
    if number is None:
        return _not_whole(cell)
    return "" if 0 <= number <= 255 else f"{_shown(cell)} is not from 0 to 255"


def _fraction_fault(cell: str) -> str:
    try:
        number = float(cell)
    except ValueError:
        return f"{_shown(cell)} is not a number" if cell.strip() else "the cell is empty"
    return "" if 0 <= number <= 1 else f"{_shown(cell)} is not from 0 to 1"


def _label_fault(cell: str) -> str:
    number = _whole(cell)
    if number is None:
        return _not_whole(cell)
    return "" if 0 <= number < 2**53 else f"{_shown(cell)} is not a class"


def _name_fault(cell: str) -> str:
    return "" if cell.strip() else "the cell is empty"


def _whole(cell: str) -> float | None:
    try:
        number = float(cell)
    except ValueError:
        return None
    return number if number.is_integer() else None


def _not_whole(cell: str) -> str:
    return f"{_shown(cell)} is not a whole number" if cell.strip() else "the cell is empty"


def _shown(cell: str) -> str:
    return repr(cell if len(cell) <= 20 else cell[:17] + "...")
