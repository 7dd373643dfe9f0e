"""Conversion of pixels to a known type: whole numbers as uint8, or fractions as float32."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from mnn_gpu.errors import DataError

KINDS = ("uint8", "float32")
HINT = "`mnn-gpu convert --dtype uint8` or `float32` sets the type if the first rows mislead."
KIND_CURE = f"Pixels are whole numbers from 0 to 255, or all fractions from 0 to 1; {HINT}"


def of_kind(X: npt.NDArray[Any], dtype: npt.DTypeLike, source: str, first: int = 0) -> Any:
    """Return pixels as the given type, if their values permit it.

    Parameters
    ----------
    X : (rows, features), numbers
    dtype : uint8 or float32
        Whole numbers from 0 to 255, or fractions from 0 to 1: nothing is scaled.
    source : str
        For error messages.
    first : int
        Index in the source of the first row, for error messages.

    Returns
    -------
    (rows, features), `dtype`
        X itself if it has this type.

    Raises
    ------
    DataError
        If a pixel has another kind of value; the message names its row and column.
    """
    whole = np.dtype(dtype) == np.uint8
    if X.size == 0 or (whole and X.dtype == np.uint8):
        return X.astype(dtype, copy=False)
    most = 255 if whole else 1
    # Both comparisons are false for NaN.
    if not (X.min() >= 0 and X.max() <= most):
        raise _fault(X, (X >= 0) & ~(most < X), whole, source, first)
    if whole and X.dtype.kind == "f" and not (good := np.floor(X) == X).all():
        raise _fault(X, good, whole, source, first)
    return X.astype(dtype, copy=False)


def _fault(X: Any, good: Any, whole: bool, source: str, first: int) -> DataError:
    row, column = (int(i) for i in np.argwhere(~good)[0])
    kind = "a whole number from 0 to 255" if whole else "a fraction from 0 to 1"
    return DataError(
        f"{source}, row {first + row + 1}, pixel {column}: {X[row, column]} is not {kind}.",
        KIND_CURE,
    )
