"""Memory that NumPy arrays refer to: owner, address, layout."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

NDArray: TypeAlias = npt.NDArray[Any]

HAS_COPY = np.lib.NumpyVersion(np.__version__) >= "2.1.0"
"""Whether NumPy's `reshape` takes ``copy``."""


def owner(array: NDArray) -> NDArray:
    """Return the array that owns a view's memory."""
    while isinstance(array.base, np.ndarray):
        array = array.base
    return array


def address(array: NDArray) -> int:
    """Return the address of an array's first element."""
    return int(array.__array_interface__["data"][0])


def span(array: Any) -> int:
    """Return the number of bytes from an array's first element to the end of its last."""
    steps = zip(array.shape, array.strides, strict=True)
    far: int = sum((n - 1) * stride for n, stride in steps)
    return max(far, 0) + int(array.dtype.itemsize)


def form(array: NDArray) -> tuple[Any, ...]:
    """Return dtype, shape and strides: equal for two identical views of the same address."""
    return array.dtype, array.shape, array.strides


def is_same(one: NDArray, other: NDArray) -> bool:
    """Return whether two arrays are the same view of the same memory."""
    return address(one) == address(other) and form(one) == form(other)


def order(array: NDArray) -> list[int]:
    """Return an array's axes in memory order."""
    return sorted(range(array.ndim), key=lambda axis: -array.strides[axis])


def row_major(whole: NDArray) -> NDArray:
    """Return an array with its axes transposed to memory order."""
    return whole.transpose(order(whole))


def is_row_major(view: NDArray, whole: NDArray) -> bool:
    """Return whether a view covers all of an array, row by row in memory order."""
    alike = view.size == whole.size and view.dtype == whole.dtype
    return alike and view.flags.c_contiguous and address(view) == address(whole)


def reshaped(array: NDArray, shape: tuple[int, ...]) -> NDArray:
    """Return a view of an array in another shape.

    Raises
    ------
    ValueError
        If this would require a copy.
    """
    if HAS_COPY:
        return np.reshape(array, shape, copy=False)
    view = array.view()
    try:
        view.shape = shape
    except AttributeError as error:
        raise ValueError(str(error)) from error
    return view


def in_shape(array: NDArray, shape: tuple[int, ...]) -> NDArray | None:
    """Return a view of an array in another shape, None if this would require a copy."""
    try:
        return reshaped(array, shape)
    except ValueError:
        return None


def all_in_shape(arrays: list[NDArray], shape: tuple[int, ...]) -> list[NDArray] | None:
    """Return views of arrays in another shape, None if one would require a copy."""
    seen = [in_shape(array, shape) for array in arrays]
    found = [array for array in seen if array is not None]
    return found if len(found) == len(seen) else None
