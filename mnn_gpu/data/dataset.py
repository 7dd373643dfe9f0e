"""A data set in host memory, its validation and its split."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from mnn_gpu.data.labels import LABEL_CURE, plain_labels
from mnn_gpu.data.pixels import plain_array
from mnn_gpu.errors import DataError, UsageError
from mnn_gpu.utils.random_streams import SPLIT, generator


@dataclass(frozen=True)
class Dataset:
    """Images and their labels, if known.

    Attributes
    ----------
    X : (rows, features), uint8, uint16, float32 or float64
        As returned by `pixels.checked_pixels`: nothing is scaled.
    y : (rows,), int64 or str, or None if the file has no labels
    source : str
        The origin of the data, for messages.
    image_shape : (height, width) or None
        The shape of the images, if the file gives it.
    feature_names : tuple of str or None
        The names of the columns of ``X``, if the file is a table with names.
    label_name : str or None
        The name of the label column, if the file is a table.
    files : tuple of str or None
        The file of each image, if each is in a separate file.
    """

    X: npt.NDArray[Any]
    y: npt.NDArray[Any] | None
    source: str
    image_shape: tuple[int, int] | None = None
    feature_names: tuple[str, ...] | None = None
    label_name: str | None = None
    files: tuple[str, ...] | None = None

    def __len__(self) -> int:
        return len(self.X)

    def labels(self) -> npt.NDArray[Any]:
        """Return ``y``, or raise if there are no labels.

        Raises
        ------
        DataError
        """
        if self.y is None:
            raise no_labels(self.source)
        return self.y

    def take(self, rows: npt.NDArray[np.intp]) -> Dataset:
        """Return the given rows, in the given order."""
        y = None if self.y is None else self.y[rows]
        files = None if self.files is None else tuple(self.files[i] for i in rows.tolist())
        return replace(self, X=self.X[rows], y=y, files=files)


def labelled_arrays(
    X: npt.ArrayLike | Dataset, y: npt.ArrayLike | None
) -> tuple[npt.ArrayLike, npt.ArrayLike]:
    """Return images and labels, from a Dataset or from two arguments.

    Raises
    ------
    DataError
        If there are no labels.
    UsageError
        If a Dataset has labels and y is given too.
    """
    if isinstance(X, Dataset):
        if X.y is None and y is not None:
            return X.X, y
        check_labelled(X.source, X.y is not None, y)
        return X.X, X.labels()
    if y is None:
        raise DataError("There are no labels.", "Give them as y.")
    return X, y


def check_labelled(source: str, labelled: bool, y: Any) -> None:
    """Check that data have labels, and that none are given separately.

    Raises
    ------
    DataError, UsageError
    """
    if y is not None:
        raise UsageError(f"{source} has labels, but y is given too.", "Leave y out.")
    if not labelled:
        raise no_labels(source)


def no_labels(source: str) -> DataError:
    """Return the error for missing labels."""
    return DataError(
        f"{source} has no labels.",
        "Training and evaluation need them: name the column with --label-column, "
        "or give the file of labels too.",
    )


def split(
    data: Dataset, holdout: int, seed: int = 0, rows: int | None = None
) -> tuple[Dataset, Dataset]:
    """Shuffle the data and hold out some rows.

    Parameters
    ----------
    data : Dataset
    holdout : int
        Number of rows to hold out, 0 or more.
    seed : int
        The same seed gives the same split.
    rows : int, optional
        Use only this number of rows, including the held-out ones. Default: all.

    Returns
    -------
    training, held_out : Dataset

    Raises
    ------
    UsageError
        If no row is left for training.
    """
    available = len(data)
    used = available if rows is None else rows
    if used < 1:
        raise UsageError(f"{used} rows are requested.", "Use --rows 1 or more.")
    if used > available:
        raise UsageError(
            f"{used} rows are requested, but {data.source} has {available}.",
            f"Use --rows {available} or fewer.",
        )
    check_holdout(holdout, used)
    order = generator(SPLIT, seed).permutation(available)[:used]
    return data.take(order[holdout:]), data.take(order[:holdout])


def check_holdout(holdout: int, rows: int) -> None:
    """Check that a number of rows can be held out of ``rows``.

    Raises
    ------
    UsageError
        If no row is left for training.
    """
    cure = f"Use --holdout from 0 to {max(rows - 1, 0)}."
    if holdout < 0:
        raise UsageError(f"holdout is {holdout}.", cure)
    if holdout >= rows:
        raise UsageError(
            f"{holdout} of {rows} rows are to be held out, which leaves none to train on.", cure
        )


def default_holdout(rows: int, classes: int, most: int) -> int:
    """Return the default number of rows to hold out.

    A tenth of the rows; at least the number of classes, at most half of the rows and ``most``.
    """
    return min(most, max(rows // 10, classes), rows // 2)


def image_shape(shape: tuple[int, ...]) -> tuple[int, int] | None:
    """Return height and width of images in an array of this shape, or None.

    A last axis of length 1, a channel, is ignored.
    """
    if len(shape) == 4 and shape[3] == 1:
        shape = shape[:3]
    return (shape[1], shape[2]) if len(shape) == 3 else None


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
