"""Roles of the columns of a table: pixels, label, or left out."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from mnn_gpu.data.feature_names import are_numbers, text_names
from mnn_gpu.errors import DataError, DataWarning, warn

LABEL_NAMES = ("label", "class", "target", "digit", "y")
ROW_NAME = re.compile(
    r"|id|index|idx|fold|row|rownames?|row[_ ](id|names?)|image[_ ]?id|level_\d+"
    r"|unnamed: \d+|__index_level_\d+__",
    re.IGNORECASE,
)
"""Names, including the empty one, of columns that number rows or folds."""
PIXEL_NAME = re.compile(r"(pixels?|pix|px|p)[_ .-]?\d+([_ x.,-]\d+)?|\d+x\d+", re.IGNORECASE)
COUNTED = 8
"""Number of rows that must count up for a column of whole numbers to be taken as an index."""
CURE = "Specify it with --label-column first, last, N (from 0; -1 is the last) or NAME."


@dataclass(frozen=True)
class TableOptions:
    """How the columns of a table are used; see `load_dataset`."""

    label_column: str | int | None = None
    keep_columns: bool = False
    labelled: bool = True
    features: int | None = None


@dataclass(frozen=True)
class Columns:
    """The columns of a table.

    Attributes
    ----------
    names : list of str
        The names of all columns.
    label_at : int or None
        Position of the label.
    pixels : list of int
        Positions of the pixels, in the order of the features.
    """

    names: list[str]
    label_at: int | None
    pixels: list[int]

    @property
    def feature_names(self) -> tuple[str, ...] | None:
        """The names of the pixel columns; None if the names only number the columns."""
        if self.label_at is not None and are_numbers(tuple(self.names)):
            return None
        return text_names([self.names[i].strip() for i in self.pixels])

    @property
    def label_name(self) -> str | None:
        """The name of the label column."""
        return None if self.label_at is None else self.names[self.label_at]

    @property
    def is_plain(self) -> bool:
        """Whether all columns but the label are pixels, in the order of the file."""
        return self.pixels == [i for i in range(len(self.names)) if i != self.label_at]


def choose(
    names: list[str],
    label_at: int | None,
    source: str,
    options: TableOptions,
    *,
    counting: Collection[int] = (),
    index: Collection[str] = (),
) -> Columns:
    """Leave out columns that number rows, with a warning that names them.

    Nothing but ``index`` is left out with ``keep_columns``, or if the number of columns is that
    of the model's inputs, ``features``.

    Parameters
    ----------
    names : list of str
    label_at : int or None
    source : str
        The file, for messages.
    options : TableOptions
    counting : collection of int
        Positions of columns of whole numbers that count up.
    index : collection of str
        Names of the columns that the file's metadata declare as an index.
    """
    pixels = [i for i in range(len(names)) if i != label_at and names[i] not in index]
    if options.keep_columns or len(pixels) == options.features:
        return Columns(names, label_at, pixels)
    out = [i for i in pixels if i in counting or _is_row_name(names[i].strip(), i)]
    if len(out) == len(pixels):
        return Columns(names, label_at, pixels)
    if out:
        warn_of_left_out(
            source,
            [names[i] for i in out],
            f"which number{'s' * (len(out) == 1)} the rows; "
            "--keep-columns (keep_columns=True) keeps such columns",
        )
    left = set(out)
    return Columns(names, label_at, [i for i in pixels if i not in left])


def warn_of_left_out(source: str, names: Sequence[str], why: str) -> None:
    """Warn that columns of a file are not used."""
    shown = ", ".join(repr(name[:40]) for name in names[:4]) + (", ..." if len(names) > 4 else "")
    warn(f"{source}: left out {shown}, {why}.", DataWarning)


def _is_row_name(name: str, at: int) -> bool:
    """Return whether a column's name says that it numbers rows; an empty name only if first."""
    return (name != "" or at == 0) and ROW_NAME.fullmatch(name) is not None


def label_position(names: list[str], source: str, options: TableOptions) -> int | None:
    """Return the position of the label column, None if there is none and none is needed.

    Raises
    ------
    DataError
        If the requested column, or a required one, is missing.
    """
    label_column = options.label_column
    if label_column is not None:
        found = [i for i, name in enumerate(names) if name == str(label_column)]
        place = {"first": "0", "last": "-1"}.get(str(label_column), str(label_column))
        if not found and re.fullmatch(r"-?\d{1,9}", place):
            if not -len(names) <= int(place) < len(names):
                raise DataError(
                    f"{source} has {len(names)} columns, not a column {label_column}.", CURE
                )
            found = [int(place) % len(names)]
    else:
        found = [i for i, name in enumerate(names) if _is_label_name(name)]
    if len(found) > 1:
        raise DataError(
            f"{source} has several label columns: {', '.join(names[i] for i in found[:4])}.",
            "Name the right one with --label-column and remove the others.",
        )
    if not found and (options.labelled or label_column is not None):
        shown = ", ".join(name[:40] for name in names[:4]) + (", ..." if len(names) > 4 else "")
        raise DataError(
            f"{source} has no label column {label_column or LABEL_NAMES[0]!r} (it has {shown}).",
            "Name the column with --label-column NAME, first, last or N; files without labels, "
            "such as Kaggle's test.csv, can be used with predict and convert --unlabelled.",
        )
    if found and label_column is not None:
        _check_not_pixel(names[found[0]], str(label_column), source)
    return found[0] if found else None


def _is_label_name(name: str) -> bool:
    return name.strip().lower() in LABEL_NAMES


def _check_not_pixel(name: str, label_column: str, source: str) -> None:
    """Raise if the label column has the name of a pixel; warn if the user gave that name."""
    if PIXEL_NAME.fullmatch(name.strip()) is None:
        return
    if label_column != name:
        raise DataError(
            f"{source}: the label column {label_column} is called {name!r}, which is a pixel's "
            "name.",
            f"If it holds the labels, give its name: --label-column {name}.",
        )
    warn(f"{source}: the labels are read from {name!r}, which is a pixel's name.", DataWarning)


def has_label_name(names: Sequence[str]) -> bool:
    """Return whether a column has one of the usual names of a label column."""
    return any(map(_is_label_name, names))


def needs_label_name(names: Sequence[str], options: TableOptions) -> bool:
    """Return whether a label column is required, but none is given or has a usual name."""
    return options.labelled and options.label_column is None and not has_label_name(names)


def counting_columns(rows: Sequence[Sequence[str]]) -> list[int]:
    """Return the columns whose whole numbers increase by 1 from row to row."""
    if len(rows) < COUNTED or any(len(row) != len(rows[0]) for row in rows):
        return []
    return [i for i in range(len(rows[0])) if _counts_up([row[i] for row in rows[:COUNTED]])]


def _counts_up(cells: list[str]) -> bool:
    if not (cells[0].isdecimal() and cells[1].isdecimal() and int(cells[1]) == int(cells[0]) + 1):
        return False
    return all(cell == str(i) for i, cell in enumerate(cells, int(cells[0])))
