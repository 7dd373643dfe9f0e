"""What a tape records besides NumPy's own functions, and how each is called the fastest.

A step of a small network is some sixty calls of a microsecond; how NumPy is called then
matters as much as what it computes.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

NDArray: TypeAlias = npt.NDArray[Any]
Operation: TypeAlias = Callable[[], object]

PRODUCTS = (np.dot, np.matmul)
REDUCTIONS = (np.add.reduce, np.maximum.reduce)


def copied(x: NDArray, *, dtype: Any = None, order: Literal["K", "C"] = "K") -> NDArray:
    """Copy in the order it lies in, or row by row ("C"), as ``dtype`` if given."""
    return x.astype(dtype or x.dtype, order=order)


def taken(x: NDArray, indices: NDArray, *, axis: int) -> NDArray:
    """Pick entries along an axis."""
    return np.take(x, indices, axis=axis)


def concatenated(*parts: NDArray) -> NDArray:
    """Join arrays along their first axis, row by row whatever their order."""
    return np.ascontiguousarray(np.concatenate(parts))


def into(
    out: NDArray,
    function: Callable[..., Any],
    arguments: tuple[Any, ...],
    options: dict[str, Any],
) -> Operation:
    """Return the call of a recorded function that writes its result to ``out``.

    Positional arguments and numbers that are arrays already save a third of the time of
    a small call.
    """
    if function is copied:
        return partial(np.copyto, out, arguments[0], "unsafe")
    if function is taken:
        # The row numbers were made by this package; "clip" spares NumPy a buffer for `out`.
        x, indices = arguments
        return partial(x.take, indices, options["axis"], out, "clip")
    if function is concatenated:
        return partial(np.concatenate, arguments, 0, out)
    if function in REDUCTIONS:
        x, dtype = arguments[0], options.get("dtype")
        return partial(function, x, options["axis"], dtype, out, options["keepdims"])
    if function in PRODUCTS:
        return partial(function, *arguments, out)
    if function is np.maximum:  # NumPy deprecates its third argument.
        return partial(function, *_as_arrays(arguments), out=out)
    return partial(function, *_as_arrays(arguments), out)


def _as_arrays(arguments: tuple[Any, ...]) -> list[Any]:
    """Turn numbers into arrays where that changes no dtype."""
    dtypes = {argument.dtype for argument in arguments if isinstance(argument, np.ndarray)}
    if len(dtypes) != 1:
        return list(arguments)
    (dtype,) = dtypes
    return [
        np.asarray(argument, dtype)
        if np.isscalar(argument) and np.result_type(dtype, argument) == dtype
        else argument
        for argument in arguments
    ]
