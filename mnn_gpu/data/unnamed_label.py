"""Finding the label column of a table by its values, if it has no usual name."""

from __future__ import annotations

from collections.abc import Sequence

from mnn_gpu.data.columns import CURE
from mnn_gpu.data.labels import is_number
from mnn_gpu.errors import DataError, DataWarning, warn

MANY = 256
"""Number of rows that are examined."""
MANY_CLASSES = 50
ONES = {"0.0": "0", "false": "0", "1.0": "1", "true": "1", "0": "0", "1": "1"}


def check_one_column(
    names: Sequence[str], rows: Sequence[Sequence[str]], source: str, read: str
) -> None:
    """Check that the labels of a table are not spread over its last columns.

    Parameters
    ----------
    names : sequence of str
    rows : sequence of rows
        The first rows, as text.
    source : str
    read : str
        How pandas reads the file, for the suggested code.

    Raises
    ------
    DataError
    """
    if len(rows) < 2 or any(len(row) != len(names) for row in rows):
        return
    if width := _one_hot(rows):
        raise DataError(
            f"{source} has one-hot labels in its last {width} columns "
            f"({names[-width][:40]} to {names[-1][:40]}).",
            f"Convert them to one column, for example with pandas: `d = {read}; "
            f"d.insert(0, 'label', d.iloc[:, -{width}:].to_numpy().argmax(axis=1)); "
            f"d.iloc[:, :-{width}].to_csv('labelled.csv', index=False)`.",
        )


def guessed_label(rows: Sequence[Sequence[str]], source: str) -> int:
    """Return which column of a table without names is the label: the first or the last.

    Raises
    ------
    DataError
        If the first rows do not decide it.
    """
    if len(rows) < 2 or len(rows[0]) < 2 or any(len(row) != len(rows[0]) for row in rows):
        return 0
    first, last = ([row[at] for row in rows] for at in (0, -1))
    texts = [_is_class(cells) and not any(map(is_number, cells)) for cells in (first, last)]
    if texts == [True, False]:
        return 0
    if texts == [False, True]:
        return _last(rows, source)
    if _is_class(first) and not _is_surely_class(last):
        return 0
    names = [f"column {i + 1}" for i in range(len(rows[0]))]
    check_one_column(names, rows, source, f"pandas.read_csv({source!r}, header=None)")
    if _is_surely_class(last) and not _is_class(first):
        return _last(rows, source)
    if _is_surely_class(first) and not _is_surely_class(last):
        return 0
    raise DataError(
        f"{source} has no header, and it is not clear whether its first column (with "
        f"{_count(first)}) or its last one (with {_count(last)}) is the label.",
        CURE,
    )


def _last(rows: Sequence[Sequence[str]], source: str) -> int:
    warn(f"{source} has no header; the last column is used as the label.", DataWarning)
    return len(rows[0]) - 1


def _is_class(cells: list[str]) -> bool:
    """Return whether there are several classes, but few compared with the number of rows."""
    distinct = len(set(cells))
    return distinct >= 2 and (distinct <= MANY_CLASSES or 2 * distinct <= len(cells))


def _is_surely_class(cells: list[str]) -> bool:
    """Return whether classes also repeat and are all the numbers from 0 or 1 up."""
    classes = set(cells)
    if not _is_class(cells) or not all(cell.isdecimal() for cell in classes):
        return False
    numbers = sorted(map(int, classes))
    regular = numbers[0] in (0, 1) and numbers[-1] - numbers[0] + 1 == len(numbers)
    return (regular or len(cells) < 20) and 2 * len(numbers) <= len(cells)


def _one_hot(rows: Sequence[Sequence[str]]) -> int:
    """Return the number of columns at the end that are one-hot in every row, or 0."""
    for width in range(2, min(len(rows[0]), MANY_CLASSES)):
        ends = [[ONES.get(cell.strip().lower(), cell) for cell in row[-width:]] for row in rows]
        if any(cell not in ("0", "1") for end in ends for cell in end):
            return 0
        if all(end.count("1") == 1 for end in ends) and all(
            "1" in column for column in zip(*ends, strict=True)
        ):
            return width
    return 0


def _count(cells: list[str]) -> str:
    distinct = len(set(cells))
    return f"{distinct} value{'s' * (distinct > 1)} in {len(cells)} rows"
