"""Finding the first invalid cell of a CSV file that could not be read, by line and column."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import NamedTuple

from mnn_gpu.data.columns import has_label_name
from mnn_gpu.data.csv.columns import Layout, open_rows
from mnn_gpu.data.labels import LABEL_CURE
from mnn_gpu.data.unpacking import lines
from mnn_gpu.errors import DataError


class Kind(NamedTuple):
    """Valid numbers in a cell, in words for the message, and the cure for other cells."""

    is_whole: bool
    most: float
    valid: str
    cure: str


BYTE = Kind(True, 255, "from 0 to 255", "Pixels in a CSV file are whole numbers from 0 to 255.")
FRACTION = Kind(False, 1, "from 0 to 1", "Pixels are fractions from 0 to 1, all of them.")
LABEL = Kind(True, 2**53 - 1, "a class", LABEL_CURE)
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
    pixel = FRACTION if fractions else BYTE
    label = None if class_names else LABEL
    good = GOOD if not fractions else frozenset("01")
    names, label_at = layout.columns.names, layout.columns.label_at
    read = {*layout.columns.pixels, label_at}
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
                    if fault := _fault(cell, label if column == label_at else pixel):
                        cure = LABEL_CURE if column == label_at else pixel.cure
                        if column != label_at and has_label_name([names[column]]):
                            cure = f"If it holds the labels: --label-column {names[column]}."
                        return DataError(f"{where}, column {_shown(names[column])}: {fault}.", cure)
        except csv.Error as error:
            return DataError(f"{path} cannot be read as CSV ({error}).", "Download it again.")
    return DataError(f"{path} cannot be read as CSV.", "Download or copy it again.")


def _fault(cell: str, kind: Kind | None) -> str:
    """Return the fault of a cell, or an empty text; None: any text is valid."""
    if not cell.strip():
        return "the cell is empty"
    if kind is None:
        return ""
    try:
        number = float(cell)
    except ValueError:
        number = None
    if number is None or (kind.is_whole and not number.is_integer()):
        return f"{_shown(cell)} is not a {'whole ' if kind.is_whole else ''}number"
    return "" if 0 <= number <= kind.most else f"{_shown(cell)} is not {kind.valid}"


def _shown(cell: str) -> str:
    return repr(cell if len(cell) <= 20 else cell[:17] + "...")
