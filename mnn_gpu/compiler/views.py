"""Which memory a NumPy array shows, and how: what the layouts of tapes reckon with."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

NDArray: TypeAlias = npt.NDArray[Any]


def owner(array: NDArray) -> NDArray:
    """Return the array whose memory a view shows."""
    while isinstance(array.base, np.ndarray):
        array = array.base
    return array


def address(array: NDArray) -> int:
    """Return where an array's first element lies."""
    return int(array.__array_interface__["data"][0])


def span(array: Any) -> int:
    """Return how many bytes it is from an array's first element to the end of its last."""
    steps = zip(array.shape, array.strides, strict=True)
    far: int = sum((n - 1) * stride for n, stride in steps)
    return max(far, 0) + int(array.dtype.itemsize)


def form(array: NDArray) -> tuple[Any, ...]:
    """Return what two arrays that lie at the same address must share to be one."""
    return array.dtype, array.shape, array.strides


def is_same(one: NDArray, other: NDArray) -> bool:
    """Return whether two arrays show the same memory in the same way."""
    return address(one) == address(other) and form(one) == form(other)


def order(array: NDArray) -> list[int]:
    """Return an array's axes in the order of its memory."""
    return sorted(range(array.ndim), key=lambda axis: -array.strides[axis])


def row_major(whole: NDArray) -> NDArray:
    """Return an array as it lies: its axes in the order of its memory."""
    return whole.transpose(order(whole))


def is_row_major(view: NDArray, whole: NDArray) -> bool:
    """Return whether a view shows all of an array, row by row in the order of its memory."""
    alike = view.size == whole.size and view.dtype == whole.dtype
    return alike and view.flags.c_contiguous and address(view) == address(whole)


def in_shape(array: NDArray, shape: tuple[int, ...]) -> NDArray | None:
    """Return an array seen in another shape, None if it would have to be copied."""
    try:
        return np.reshape(array, shape, copy=False)
    except ValueError:
        return None


def all_in_shape(arrays: list[NDArray], shape: tuple[int, ...]) -> list[NDArray] | None:
    """Return arrays seen in another shape, None if one would have to be copied."""
    seen = [in_shape(array, shape) for array in arrays]
    found = [array for array in seen if array is not None]
    return found if len(found) == len(seen) else None
