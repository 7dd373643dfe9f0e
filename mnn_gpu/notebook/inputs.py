"""Validation of the arguments of the notebook's functions, with a cure for common mistakes.

Shapes and dtypes are checked on every call; this reads nothing from the device. Values are
only checked where a function is called once: by reductions, each of which reads one number.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
from array_api_compat import array_namespace, device, is_array_api_obj, is_numpy_array

from mnn_gpu.errors import UsageError
from mnn_gpu.utils.validation import number_in, whole

Array: TypeAlias = Any

LARGEST = 2.0
"""Inputs from 0 to more than this are taken for unscaled pixels."""
SMALLEST = 1 / 128
"""Inputs from 0 to less than this were divided twice."""
LARGEST_MEAN = 4.0
"""Inputs of both signs with a larger mean absolute value are also unscaled."""
SOME = 1000
"""Number of columns used for this mean."""


def array(name: str, value: Any) -> Array:
    """Return an array unchanged, and anything else (pandas, lists) as a NumPy array."""
    if is_array_api_obj(value):
        return value
    try:
        return np.asarray(value)
    except (TypeError, ValueError) as error:
        raise UsageError(
            f"{name} is not an array ({error}).", "Pass rows of equal length."
        ) from error


def like(name: str, value: Any, other: Array) -> Array:
    """Return an array; pandas, lists and NumPy arrays are converted to the library of ``other``."""
    if is_array_api_obj(value) and (is_numpy_array(other) or not is_numpy_array(value)):
        return value
    xp = array_namespace(other)
    try:
        host = np.asarray(value)
        if not is_numpy_array(other):
            host = np.require(host, requirements="W")  # PyTorch warns about read-only memory.
        return xp.asarray(host, device=device(other))
    except (TypeError, ValueError) as error:
        raise UsageError(
            f"{name} is a {type(value).__name__}, which {xp.__name__} cannot convert ({error}).",
            f"Make {name} an array of numbers of the same library and device as the others.",
        ) from error


def inputs(X: Any, W1: Array, b1: Array) -> Array:
    """Return X, (features, m), after checking its shape against the first layer's."""
    if W1.ndim != 2:
        raise UsageError(
            f"W1 has shape {tuple(W1.shape)}, not (units, features).",
            "Pass the parameters in order, starting with W1.",
        )
    X, features = like("X", X, W1), W1.shape[1]
    if X.ndim == 1 and b1.ndim == 1 and X.shape[0] == features:
        return X  # One sample, with biases of one dimension.
    if X.ndim == 2 and X.shape[0] == features:
        return X
    raise UsageError(
        f"X has shape {tuple(X.shape)}, not ({features}, m) with one sample per column.",
        _cure_of_shape(X.shape, features),
    )


def _cure_of_shape(shape: Sequence[int], features: int) -> str:
    if len(shape) == 1:
        return "Pass one sample as a column: X[:, None]."
    if len(shape) == 3:
        return "Flatten each image to a column: X.reshape(len(X), -1).T."
    if len(shape) == 2 and features == shape[1]:
        return "Pass its transpose: X.T."
    if len(shape) == 2 and features + 1 in shape:
        part = "row: X[1:]" if shape[0] == features + 1 else "column, and transpose: X[:, 1:].T"
        return f"If the labels come first in it, remove that {part}."
    return "Pass samples with as many features as W1 has columns."


def floating(name: str, X: Array) -> None:
    """Raise a UsageError unless the dtype is real floating point."""
    xp = array_namespace(X)
    if not xp.isdtype(X.dtype, "real floating"):
        raise UsageError(
            f"{name} is {X.dtype}, not floating point.",
            "Divide the pixels by 255 first."
            if xp.isdtype(X.dtype, "integral")
            else "Convert it to floats from 0 to 1.",
        )


def scaled(X: Array) -> None:
    """Raise a UsageError for pixels that were not divided by 255, or are not finite."""
    if 0 in X.shape:
        raise UsageError(f"X has shape {tuple(X.shape)}.", "Pass at least one sample.")
    low, high = _ends(X)
    # The sum detects a NaN that XLA's min and max ignore.
    if not all(map(math.isfinite, (low, high, _number(array_namespace(X).sum(X))))):
        raise UsageError("X contains NaN or infinity.", "Replace missing values, for example by 0.")
    if high > LARGEST if low >= 0 else _mean_is_large(X, max(high, -low)):
        raise UsageError(
            f"X ranges from {low:g} to {high:g}, but the network expects 0 to 1.",
            "Divide by the maximum pixel value: X / 255.",
        )
    if low >= 0 and 0 < high < SMALLEST:
        raise UsageError(
            f"X ranges from {low:g} to {high:g}, but the network expects 0 to 1.",
            "Divide by 255 only once: running a cell again may have divided twice.",
        )


def _mean_is_large(X: Array, most: float) -> bool:
    """Return whether X, of both signs, is not standardized data, whose mean is below 1."""
    xp = array_namespace(X)
    if most <= LARGEST_MEAN or not xp.isdtype(X.dtype, "real floating"):
        return most > LARGEST_MEAN
    return float(xp.mean(xp.abs(X[:, : min(SOME, X.shape[1])]))) > LARGEST_MEAN


def _ends(values: Array) -> tuple[float, float]:
    xp = array_namespace(values)
    return _number(xp.min(values)), _number(xp.max(values))


def _number(value: Array) -> float:
    """Read a () array from the device as a float; 0 while JAX traces and has no value."""
    try:
        return float(value)
    except TypeError:
        return 0.0


def labels(name: str, Y: Array, m: int | None = None) -> Array:
    """Return labels as (m,), after checking that they are numbers, one per sample."""
    xp = array_namespace(Y)
    if not xp.isdtype(Y.dtype, ("bool", "integral", "real floating")):
        raise UsageError(
            f"{name} is {Y.dtype}, not whole numbers.",
            f"Convert it: {name}.astype(int), or np.unique({name}, return_inverse=True)[1].",
        )
    if Y.ndim != 1 and math.prod(Y.shape) == max(Y.shape, default=1):
        Y = xp.reshape(Y, (-1,))
    if Y.ndim != 1:
        axis = 1 if Y.shape[0] == m != Y.shape[1] else 0
        raise UsageError(
            f"{name} has shape {tuple(Y.shape)}, not (m,): one class per sample.",
            f"Convert one-hot labels or probabilities to classes: {name}.argmax({axis}).",
        )
    if m is not None and Y.shape[0] != m:
        raise UsageError(
            f"There are {m} samples and {Y.shape[0]} values in {name}.",
            "Pass one label per sample, in the same order.",
        )
    # Class indices are compared with numbers only.
    return xp.astype(Y, xp.int32) if xp.isdtype(Y.dtype, "bool") else Y


def within(Y: Array, classes: int) -> None:
    """Raise a UsageError for labels other than 0, 1, ..., classes - 1."""
    if Y.shape[0] == 0:
        return
    low, high = _ends(Y)
    if not (low >= 0 and high < classes):
        raise UsageError(
            f"The labels range from {low:g} to {high:g}, but the classes from 0 to {classes - 1}.",
            f"Number them from 0: {_shifted(low)}."
            if 0 < abs(low) < math.inf and high - low < classes
            else "Remove other labels, or train any classes with mnn_gpu.train(X.T, Y).",
        )
    if _has_fractions(Y):
        raise UsageError(
            f"The labels contain fractions from {low:g} to {high:g}.",
            "Divide the pixels by 255, not the labels.",
        )


def classes(name: str, Y: Array) -> None:
    """Raise a UsageError for values that are not whole numbers, since they equal no class."""
    if _has_fractions(Y):
        raise UsageError(
            f"{name} contains fractions or NaN, not classes.",
            "Convert probabilities to classes: get_predictions(A3).",
        )


def _has_fractions(Y: Array) -> bool:
    xp = array_namespace(Y)
    floats = xp.isdtype(Y.dtype, "real floating")
    return floats and _number(xp.sum(xp.abs(Y - xp.round(Y)))) != 0


def _shifted(low: float) -> str:
    return f"Y {'-' if low > 0 else '+'} {abs(low):g}"


def rate(alpha: Any) -> Any:
    """Return a finite float; an array of another library is returned without reading it."""
    if is_array_api_obj(alpha) and not (is_numpy_array(alpha) and alpha.ndim == 0):
        return alpha
    # As a Python float: a NumPy float64 would convert everything to float64.
    return number_in("alpha", alpha, "such as 0.1", math.isfinite)


def steps(iterations: Any, alpha: Any) -> tuple[int, float]:
    """Return both, after checking that they are a whole and a finite number, in this order."""
    alpha_is_count = isinstance(alpha, int) and alpha > 1
    if alpha_is_count and isinstance(iterations, int | float) and iterations < alpha:
        raise UsageError(
            f"iterations is {iterations!r} and alpha {alpha!r}: they seem to be swapped.",
            f"Name them: gradient_descent(X, Y, iterations={alpha!r}, alpha={iterations!r}).",
        )
    finite = number_in("alpha", alpha, "from 0, such as 0.1", lambda a: 0 <= a < math.inf)
    return whole("iterations", iterations, 0), finite
