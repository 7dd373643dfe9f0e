"""A data set in host memory, its validation and its split."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

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
