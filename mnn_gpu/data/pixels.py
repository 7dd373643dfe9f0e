"""Pixels: validating them, determining their scale, and scaling them to the range 0 to 1.

Equal values give equal inputs, whatever their dtype. The scale of a data set is the smallest of
1, 16, 255 and 65535 that no pixel exceeds; a model stores that of its training data.
"""

from __future__ import annotations

from decimal import Decimal
from numbers import Real
from typing import Any

import numpy as np
import numpy.typing as npt

from mnn_gpu.errors import DataError, DataWarning, warn

SCALES = (1, 16, 255, 65535)
"""Fractions and bits, scikit-learn's small digits, 8-bit images, and 16-bit images."""
BYTES = 255
PIXEL_CURE = "Pixels are numbers from 0 to 65,535, such as bytes or fractions from 0 to 1."
BLOCK_ROWS = 256
NUMBERS = (Real, Decimal, np.bool)
FEW = bytes(range(SCALES[1] + 1))


def checked_pixels(X: npt.ArrayLike, source: str) -> npt.NDArray[Any]:
    """Return images as rows, in the smallest of a few dtypes that represents their values.

    Parameters
    ----------
    X : (rows, ...), any numeric dtype, or numbers as objects
        From 0 to 65,535, or booleans.
    source : str
        The file's name, for error messages.

    Returns
    -------
    (rows, features), uint8, uint16, float32 or float64
        Whole numbers as integers, whatever their dtype was; X itself if it is uint8.

    Raises
    ------
    DataError
        If there are no rows or no pixels, or a value is out of range or not a number.
    """
    X = plain_array(X, source)
    if X.ndim < 2 or 0 in X.shape:
        raise DataError(
            f"{source} is an array of shape {X.shape}, not rows of pixels.",
            "Give images as (rows, features) or (rows, height, width), at least one row; "
            "a single image as X[None].",
        )
    if X.ndim > 2:
        X = X.reshape(len(X), -1)
    if X.dtype == np.uint8:
        return X
    if X.dtype == object:
        X = _of_objects(X, source)
    if X.dtype.kind not in "uifb":
        raise DataError(f"{source} has pixels of type {X.dtype}, not numbers.", PIXEL_CURE)
    if X.dtype == bool:
        return X.astype(np.uint8)
    if X.dtype == np.float16:
        X = X.astype(np.float32)  # In float16, 65,535 would be infinite.
    # Both comparisons are false for NaN.
    least, largest = X.min(), X.max()
    if not (least >= 0 and largest <= SCALES[-1]):
        row, column = (int(i) for i in np.argwhere(~((X >= 0) & (SCALES[-1] >= X)))[0])
        raise DataError(
            f"{source}, row {row + 1}, pixel {column}: {X[row, column]} is not a number from 0 to "
            f"{SCALES[-1]:,}.",
            PIXEL_CURE,
        )
    if X.dtype.kind == "f" and not _is_whole(X):
        return X if X.dtype in (np.float32, np.float64) else X.astype(np.float32)
    return X.astype(np.uint8 if largest <= BYTES else np.uint16)


def _of_objects(X: npt.NDArray[Any], source: str) -> npt.NDArray[np.float64]:
    """Return numbers stored as objects, as in a data frame with nullable or mixed dtypes."""
    wrong = next((i for i, cell in enumerate(X.flat) if not isinstance(cell, NUMBERS)), None)
    if wrong is None:
        return X.astype(np.float64)
    row, column = divmod(wrong, X.shape[1])
    raise DataError(
        f"{source}, row {row + 1}, pixel {column}: {X[row, column]!r} is not a number.", PIXEL_CURE
    )


def _is_whole(X: npt.NDArray[Any]) -> bool:
    """Return whether all are whole numbers; other data mostly fail in the first block."""
    blocks = (X[start : start + BLOCK_ROWS] for start in range(0, len(X), BLOCK_ROWS))
    return all(bool((np.floor(block) == block).all()) for block in blocks)


def scale_of(largest: float) -> int:
    """Return the smallest scale that is at least the largest pixel."""
    return next(scale for scale in SCALES if largest <= scale)


def found_scale(parts: list[npt.NDArray[Any]], given: float | None) -> float:
    """Return the common scale of the pixels, or the given one if no pixel exceeds it.

    Raises
    ------
    DataError
    """
    if given is None and parts[0].dtype == np.uint8 and parts[0][0].max() > SCALES[1]:
        return BYTES if all(part.dtype == np.uint8 for part in parts) else _scale_of_all(parts)
    if given is None:
        return _scale_of_all(parts)
    largest = max(float(part.max()) for part in parts)
    if largest > given:
        raise DataError(
            f"A pixel is {largest:g}, and pixel_max is {given:g}.",
            f"Give the largest value that a pixel can have, such as {scale_of(largest)}.",
        )
    return given


def _scale_of_all(parts: list[npt.NDArray[Any]]) -> int:
    return scale_of(max(float(part.max()) for part in parts))


def unit_pixels(X: npt.NDArray[Any], pixel_max: float) -> npt.NDArray[Any]:
    """Return pixels as floats from 0 to 1, but uint8 from 0 to 255 unchanged.

    Those are divided by 255 on the device, see `network.scale_pixels`, with the same arithmetic.

    Parameters
    ----------
    X : (rows, features), as `checked_pixels` returns them
    pixel_max : float
    """
    if (pixel_max == 1 and X.dtype.kind == "f") or (pixel_max == BYTES and X.dtype == np.uint8):
        return X
    # A product, as in `scale_pixels`.
    dtype = np.float64 if X.dtype == np.float64 else np.float32
    scaled: npt.NDArray[Any] = X.astype(dtype)
    scaled *= 1 / pixel_max
    return scaled


def fitting_scale(X: npt.NDArray[Any], pixel_max: float, source: str) -> float:
    """Return the scale for pixels that are passed to a trained model.

    Parameters
    ----------
    X : (rows, features), as `checked_pixels` returns them
    pixel_max : float
        The model's.
    source : str
        For the warning.

    Warns
    -----
    DataWarning
        See `chosen_scale`.
    """
    if pixel_max == BYTES and X.dtype == np.uint8 and X[0].tobytes().lstrip(FEW):
        return pixel_max  # The common case: the first image has a pixel above 16.
    return chosen_scale(float(X.max()), X.dtype, pixel_max, source)


def chosen_scale(largest: float, dtype: np.dtype[Any], pixel_max: float, source: str) -> float:
    """Return a model's scale, if pixels up to ``largest`` are compatible with it.

    Floats from 0 to 1 are always used unchanged.

    Warns
    -----
    DataWarning
        If the pixels appear to differ in scale from the model's training data.
    """
    own = scale_of(largest)
    if own == 1 and dtype.kind == "f":
        return 1
    if own == pixel_max or largest == 0:
        return pixel_max
    used = own if own > pixel_max or own == 1 else pixel_max
    warn(
        f"The pixels of {source} reach {largest:g}, but the model was trained on pixels from 0 to "
        f"{pixel_max:g}: they are divided by {used:g}.",
        DataWarning,
    )
    return used


def plain_array(array: npt.ArrayLike, source: str) -> npt.NDArray[Any]:
    """Return an array, rejecting input that NumPy would misinterpret.

    Raises
    ------
    DataError
    """
    if type(array) is np.ndarray:
        return array
    if isinstance(array, np.ma.MaskedArray) and array.mask.any():
        raise DataError(
            f"{source} is a masked array with masked values.", "Fill or remove the masked values."
        )
    if hasattr(array, "toarray") and not hasattr(array, "__array__"):
        raise DataError(
            f"{source} is a sparse matrix.",
            "Give X.toarray(); MLPClassifier accepts sparse matrices.",
        )
    if getattr(array, "requires_grad", False):
        raise DataError(f"{source} is a tensor that records gradients.", "Give X.detach().")
    try:
        return np.asarray(array)
    except (ValueError, TypeError, RuntimeError) as error:
        raise DataError(
            f"{source} is not an array ({error}).",
            "Give rows of one length, in the host's memory.",
        ) from error
