"""Labels as found in files or given by users, and their classes."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from mnn_gpu.data.pixels import plain_array
from mnn_gpu.errors import DataError

LABEL_CURE = "Labels are non-negative whole numbers, such as the digits 0 to 9, or class names."
TEXT_CURE = (
    "Train on the file itself, in memory (without convert and --stream), or replace the names by "
    "non-negative whole numbers, as pandas.factorize does."
)
LONGEST = 100
MOSTLY = 0.5
MISSING_CURE = "Give every row a label, or leave such rows out."


def checked_labels(y: npt.ArrayLike, rows: int, source: str, first: int = 0) -> npt.NDArray[Any]:
    """Return one class label per row, as int64, or as str if they are class names.

    Parameters
    ----------
    y : (rows,), integers, integral floats, booleans, or text
    rows : int
        Number of images.
    source : str
        The file's name, for error messages.
    first : int
        Index in the file of the first row, for error messages.

    Raises
    ------
    DataError
        If the number of labels is not the number of rows, or a label is not a non-negative
        whole number.
    """
    y = plain_array(y, source)
    if y.ndim == 2 and y.shape[1] == 1:
        y = y[:, 0]
    if y.shape != (rows,):
        one_hot = y.ndim == 2 and y.shape[0] == rows
        raise DataError(
            f"{source} has labels of shape {y.shape} for {rows} images.",
            "Give one label for each image; "
            + (
                "of one-hot labels y.argmax(axis=1)." if one_hot else "the two files may not match."
            ),
        )
    y = plain_labels(y, source, first)
    if y.dtype.kind == "U":
        return y
    if y.dtype.kind not in "uif":
        raise DataError(
            f"{source} has labels of type {y.dtype}, which are not classes.", LABEL_CURE
        )
    # A float64, not an int: NumPy would cast it to float16, with an overflow warning.
    bad = ~((y >= 0) & (y < np.float64(2**53)) & (y == np.floor(y)))
    if bad.any():
        row = int(np.argmax(bad))
        raise DataError(
            f"{source}, row {first + row + 1}: the label {y[row]} is not a class.", LABEL_CURE
        )
    return y.astype(np.int64)


def several_classes(
    classes: npt.NDArray[Any], source: str, column: str | None = None
) -> npt.NDArray[Any]:
    """Return the distinct labels, which must be more than one.

    Parameters
    ----------
    classes : (classes,)
    source : str
        The file's name, for error messages.
    column : str, optional
        The name of the label column.

    Raises
    ------
    DataError
    """
    if len(classes) < 2:
        where = source if column is None else f"{source}, column {column!r}"
        raise DataError(
            f"{where}: all labels are {classes[0]}, so there is nothing to learn.",
            "Train on images of at least two classes"
            + ("." if column is None else ", or name the right column with --label-column."),
        )
    return classes


def class_index(
    classes: npt.NDArray[Any], y: npt.NDArray[Any], source: str, first: int = 0
) -> npt.NDArray[np.int32]:
    """Return the index of each label in the classes, (rows,) int32.

    Parameters
    ----------
    classes : (classes,), sorted
    y : (rows,)
    source : str
        The file's name, for error messages.
    first : int
        Index in the file of the first row, for error messages.

    Raises
    ------
    DataError
        If a label is not one of the classes; the message names its row.
    """
    if classes.dtype.kind == "U" and y.dtype.kind != "U":
        y = y.astype(str)  # If the class names are 0 to 9 and A to F, rows may be digits only.
    if classes.dtype.kind != "U" and y.dtype.kind == "U":
        classes = np.sort(classes.astype(str))  # None of these labels is a number.
    index = np.minimum(np.searchsorted(classes, y), len(classes) - 1)
    unknown = classes[index] != y
    if unknown.any():
        row = int(np.argmax(unknown))
        raise DataError(
            f"{source}, row {first + row + 1}: the label {y[row]} is not one of the model's "
            f"{len(classes)} classes ({classes[0]} to {classes[-1]}).",
            "Train on data that contain every class, or leave such rows out.",
        )
    return index.astype(np.int32)


def plain_labels(y: npt.NDArray[Any], source: str, first: int = 0) -> npt.NDArray[Any]:
    """Return labels as numbers if they are numbers, else as text.

    Parameters
    ----------
    y : (rows,), any dtype
        Objects are examined one by one: text, bytes, numbers or booleans.
    source : str
        The file's name, for error messages.
    first : int
        Index in the file of the first row, for error messages.

    Returns
    -------
    (rows,), a numeric dtype, or str
        Text becomes numbers if all of it represents numbers, or true and false. Whitespace
        around other text is removed.

    Raises
    ------
    DataError
        If a label is missing, some are text and others numbers, or a single one is not a
        number.
    """
    if y.dtype.kind == "b":
        return y.astype(np.int64)
    if y.dtype.kind not in "OSUT":
        return y
    cells = [_text(cell) for cell in y.tolist()]
    for row, cell in enumerate(cells, first + 1):
        if _is_missing(cell):
            raise DataError(f"{source}, row {row}: there is no label.", MISSING_CURE)
    are_text = {isinstance(cell, str) for cell in cells}
    if are_text == {True, False}:
        raise DataError(f"{source} has labels that are text and others that are not.", LABEL_CURE)
    if are_text != {True}:
        return _numbers(cells, source)
    words = np.array([cell.strip() for cell in cells])
    found, first_rows, counts = np.unique(words, return_index=True, return_counts=True)
    distinct = found.tolist()
    longest = max(distinct, key=len)
    if len(longest) > LONGEST:
        raise DataError(f"{source} has a label of {len(longest)} characters.", LABEL_CURE)
    numeric = np.array([is_number(word) for word in distinct])
    if numeric.all():
        return np.array([float(word) for word in words.tolist()])
    odd = ~numeric & (counts == 1)
    if odd.any() and counts[numeric].sum() > MOSTLY * len(words):
        row = int(first_rows[odd][0])
        raise DataError(
            f"{source}, row {first + row + 1}: the label {str(words[row])!r} is not a number, as "
            "most others are.",
            LABEL_CURE,
        )
    if {word.lower() for word in distinct} <= {"true", "false"}:
        return np.array([word.lower() == "true" for word in words.tolist()], np.int64)
    return words


def text_labels(source: str) -> DataError:
    """Return the error for class names in a format that supports only numbers."""
    return DataError(
        f"{source} has class names as labels, which convert and streaming do not support.",
        TEXT_CURE,
    )


def is_number(word: str) -> bool:
    """Return whether a word represents a number, including fractions and infinity."""
    try:
        float(word)
    except ValueError:
        return False
    return "_" not in word


def _text(cell: Any) -> Any:
    return cell.decode("utf-8", "replace") if isinstance(cell, bytes) else cell


def _is_missing(cell: Any) -> bool:
    """Return whether a cell is empty, None, or pandas' NA or NaT."""
    if cell is None or (isinstance(cell, str) and not cell.strip()):
        return True
    return type(cell).__name__ in ("NAType", "NaTType") or (
        isinstance(cell, float) and cell != cell
    )


def _numbers(cells: list[Any], source: str) -> npt.NDArray[Any]:
    """Return Python or NumPy number objects as an array."""
    try:
        y = np.asarray(cells)
    except (ValueError, TypeError, OverflowError):
        y = np.empty(0, object)
    if y.dtype.kind not in "uifb" or y.shape != (len(cells),):
        raise DataError(f"{source} has labels that are not classes.", LABEL_CURE)
    return y.astype(np.int64) if y.dtype.kind == "b" else y
