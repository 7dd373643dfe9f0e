"""What the notebook's functions are given, checked: mistakes of cells, each with its cure.

Shapes and dtypes are checked on every call, which reads nothing from the device. Values are
checked only where a function is called once: by reductions, one number read for each.
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
"""Inputs from 0 to more than this are unscaled pixels."""
SMALLEST = 1 / 128
"""Inputs from 0 to less than this were divided twice."""
LARGEST_MEAN = 4.0
"""Inputs of both signs with a larger mean of absolute values are unscaled too."""
SOME = 1000
"""Columns that this mean is taken over."""


def array(name: str, value: Any) -> Array:
    """Return an array as it is, and anything else (pandas, lists) as NumPy's."""
    if is_array_api_obj(value):
        return value
    try:
        return np.asarray(value)
    except (TypeError, ValueError) as error:
        raise UsageError(
            f"{name} is not an array ({error}).", "Give rows of one length."
        ) from error


def like(name: str, value: Any, other: Array) -> Array:
    """Return an array; pandas, lists and NumPy's are brought to the library of ``other``."""
    if is_array_api_obj(value) and (is_numpy_array(other) or not is_numpy_array(value)):
        return value
    xp = array_namespace(other)
    try:
        host = np.asarray(value)
        if not is_numpy_array(other):
            host = np.require(host, requirements="W")  # PyTorch warns of pandas' read-only memory.
        return xp.asarray(host, device=device(other))
    except (TypeError, ValueError) as error:
        raise UsageError(
            f"{name} is a {type(value).__name__}, which {xp.__name__} cannot take ({error}).",
            f"Make {name} an array of numbers of the library and on the device of the others.",
        ) from error


def inputs(X: Any, W1: Array, b1: Array) -> Array:
    """Return X, (features, m), once its shape fits the first layer's."""
    if W1.ndim != 2:
        raise UsageError(
            f"W1 has shape {tuple(W1.shape)}, not (units, features).",
            "Give the arguments in their order, W1 first of the parameters.",
        )
    X, features = like("X", X, W1), W1.shape[1]
    if X.ndim == 1 and b1.ndim == 1 and X.shape[0] == features:
        return X  # One sample, for biases that have no column either.
    if X.ndim == 2 and X.shape[0] == features:
        return X
    raise UsageError(
        f"X has shape {tuple(X.shape)}, and the network takes ({features}, m): a column a sample.",
        _cure_of_shape(X.shape, features),
    )


def _cure_of_shape(shape: Sequence[int], features: int) -> str:
    if len(shape) == 1:
        return "Give one sample as a column: X[:, None]."
    if len(shape) == 3:
        return "Make a column of each image: X.reshape(len(X), -1).T."
    if len(shape) == 2 and features == shape[1]:
        return "Give its transpose: X.T."
    if len(shape) == 2 and features + 1 in shape:
        part = "row: X[1:]" if shape[0] == features + 1 else "column, and transpose: X[:, 1:].T"
        return f"If the labels come first in it, leave out that {part}."
    return "Give samples with as many features as W1 has columns."


def floating(name: str, X: Array) -> None:
    """Raise a UsageError for an array of other than real floating numbers."""
    xp = array_namespace(X)
    if not xp.isdtype(X.dtype, "real floating"):
        raise UsageError(
            f"{name} holds {X.dtype}, not floats.",
            "Divide the pixels by 255 first."
            if xp.isdtype(X.dtype, "integral")
            else "Make it floats from 0 to 1.",
        )


def scaled(X: Array) -> None:
    """Raise a UsageError for pixels that were not divided, or that are not finite."""
    if 0 in X.shape:
        raise UsageError(f"X has shape {tuple(X.shape)}.", "Give at least one sample.")
    low, high = _ends(X)
    # The sum finds a NaN that XLA's min and max overlook.
    if not all(map(math.isfinite, (low, high, _number(array_namespace(X).sum(X))))):
        raise UsageError("X holds NaN or infinity.", "Replace missing values, such as by 0.")
    if high > LARGEST if low >= 0 else _mean_is_large(X, max(high, -low)):
        raise UsageError(
            f"X ranges from {low:g} to {high:g}, and the network takes 0 to 1.",
            "Divide by the largest value that a pixel can have: X / 255.",
        )
    if low >= 0 and 0 < high < SMALLEST:
        raise UsageError(
            f"X ranges from {low:g} to {high:g}, and the network takes 0 to 1.",
            "Divide by 255 once only: a cell that was run again may have divided twice.",
        )


def _mean_is_large(X: Array, most: float) -> bool:
    """Return whether X, of both signs, is no standardised data: those have a mean below 1."""
    xp = array_namespace(X)
    if most <= LARGEST_MEAN or not xp.isdtype(X.dtype, "real floating"):
        return most > LARGEST_MEAN
    return float(xp.mean(xp.abs(X[:, : min(SOME, X.shape[1])]))) > LARGEST_MEAN


def _ends(values: Array) -> tuple[float, float]:
    xp = array_namespace(values)
    return _number(xp.min(values)), _number(xp.max(values))


def _number(value: Array) -> float:
    """Return a (), read from the device, as a float; 0 while JAX traces, which knows none yet."""
    try:
        return float(value)
    except TypeError:
        return 0.0


def labels(name: str, Y: Array, m: int | None = None) -> Array:
    """Return labels as (m,), once they are numbers, one for each of ``m`` samples."""
    xp = array_namespace(Y)
    if not xp.isdtype(Y.dtype, ("bool", "integral", "real floating")):
        raise UsageError(
            f"{name} holds {Y.dtype}, not whole numbers.",
            f"Convert it: {name}.astype(int), or np.unique({name}, return_inverse=True)[1].",
        )
    if Y.ndim != 1 and math.prod(Y.shape) == max(Y.shape, default=1):
        Y = xp.reshape(Y, (-1,))
    if Y.ndim != 1:
        axis = 1 if Y.shape[0] == m != Y.shape[1] else 0
        raise UsageError(
            f"{name} has shape {tuple(Y.shape)}, not (m,): one class for each sample.",
            f"Of one-hot labels or probabilities take the classes: {name}.argmax({axis}).",
        )
    if m is not None and Y.shape[0] != m:
        raise UsageError(
            f"There are {m} samples and {Y.shape[0]} values in {name}.",
            "Give one label for each sample, in the same order.",
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
            f"The labels go from {low:g} to {high:g}, and the classes from 0 to {classes - 1}.",
            f"Count them from 0: {_shifted(low)}."
            if 0 < abs(low) < math.inf and high - low < classes
            else "Leave out other labels, or train any classes with mnn_gpu.train(X.T, Y).",
        )
    if _has_fractions(Y):
        raise UsageError(
            f"The labels hold fractions from {low:g} to {high:g}.",
            "Divide the pixels by 255, not the labels.",
        )


def classes(name: str, Y: Array) -> None:
    """Raise a UsageError for values that are no whole numbers, which equal no class."""
    if _has_fractions(Y):
        raise UsageError(
            f"{name} holds fractions or NaN, not classes.",
            "Of probabilities take the classes: get_predictions(A3).",
        )


def _has_fractions(Y: Array) -> bool:
    xp = array_namespace(Y)
    floats = xp.isdtype(Y.dtype, "real floating")
    return floats and _number(xp.sum(xp.abs(Y - xp.round(Y)))) != 0


def _shifted(low: float) -> str:
    return f"Y {'-' if low > 0 else '+'} {abs(low):g}"


def rate(alpha: Any) -> Any:
    """Return a finite float; an array of another library as it is, whose value is not read."""
    if is_array_api_obj(alpha) and not (is_numpy_array(alpha) and alpha.ndim == 0):
        return alpha
    # As Python's own: NumPy's float64 would turn all of it into float64.
    return number_in("alpha", alpha, "such as 0.1", math.isfinite)


def steps(iterations: Any, alpha: Any) -> tuple[int, float]:
    """Return both, once they are a whole number and a finite one in this order."""
    alpha_is_count = isinstance(alpha, int) and alpha > 1
    if alpha_is_count and isinstance(iterations, int | float) and iterations < alpha:
        raise UsageError(
            f"iterations is {iterations!r} and alpha {alpha!r}: they seem to be exchanged.",
            f"Name them: gradient_descent(X, Y, iterations={alpha!r}, alpha={iterations!r}).",
        )
    finite = number_in("alpha", alpha, "from 0, such as 0.1", lambda a: 0 <= a < math.inf)
    return whole("iterations", iterations, 0), finite
