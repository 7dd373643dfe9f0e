"""Recorded operations other than NumPy functions, and the fastest way to call each operation.

A step of a small network is about sixty calls of a microsecond each. So the calling overhead
of NumPy matters as much as the computation.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from functools import partial
from math import prod
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

NDArray: TypeAlias = npt.NDArray[Any]
Operation: TypeAlias = Callable[[], object]

PRODUCTS = (np.dot, np.matmul)
REDUCTIONS = (np.add.reduce, np.maximum.reduce)


class DataMovement(Enum):
    """Operations that have no single NumPy function with these arguments.

    COPY copies in the existing memory order, or row-major with ``order="C"``, as ``dtype`` if
    given; TAKE selects entries along an axis; CONCAT concatenates along the first axis.
    """

    COPY = "copy"
    TAKE = "take"
    CONCAT = "join"


@dataclass(frozen=True)
class ExternalCall:
    """A function that is not NumPy's, ``function(arguments, out)``, and the form of its result."""

    function: Callable[[Sequence[NDArray], NDArray], object]
    shape: tuple[int, ...]
    dtype: np.dtype[Any]

    def __call__(self, *arguments: NDArray) -> None:
        *given, out = arguments
        self.function(given, out)

    def launch(self, inputs: Sequence[Any], outputs: Sequence[Any]) -> None:
        """Call the function with device arrays, see `cuda_graphs.device.Launcher`."""
        self.function(inputs, outputs[0])


Function: TypeAlias = Callable[..., Any] | DataMovement | ExternalCall


LINE = 64
"""Bytes of a cache line."""


def aligned(shape: tuple[int, ...], dtype: npt.DTypeLike) -> NDArray:
    """Return an array aligned to a cache line; NumPy does not regard it as a view."""
    dtype = np.dtype(dtype)
    memory = bytearray(prod(shape) * dtype.itemsize + LINE)
    address = np.frombuffer(memory, np.uint8).__array_interface__["data"][0]
    return np.ndarray(shape, dtype, memory, -address % LINE)


def empty_result(
    function: Function, arguments: tuple[Any, ...], options: dict[str, Any]
) -> NDArray:
    """Return memory for the result of a recorded function: its shape, dtype and order.

    Nothing is computed, so memory that is never used costs nothing.
    """
    if isinstance(function, ExternalCall):
        return np.empty(function.shape, function.dtype)
    if function is DataMovement.COPY:
        (x,) = arguments
        return np.empty_like(x, options.get("dtype"), options.get("order", "K"))
    if function is DataMovement.TAKE:
        x, indices = arguments
        axis = options["axis"]
        return np.empty((*x.shape[:axis], *indices.shape, *x.shape[axis + 1 :]), x.dtype)
    if function is DataMovement.CONCAT:
        rows = sum(len(part) for part in arguments)
        return np.empty((rows, *arguments[0].shape[1:]), np.result_type(*arguments))
    if function in REDUCTIONS:
        return _empty_reduction(function, arguments[0], **options)
    if function in PRODUCTS:
        A, B = arguments
        stack = np.broadcast_shapes(A.shape[:-2], B.shape[:-2])
        return np.empty((*stack, A.shape[-2], B.shape[-1]), np.result_type(A, B))
    return _empty_elementwise(function, arguments)


def _empty_elementwise(function: Callable[..., Any], arguments: tuple[Any, ...]) -> NDArray:
    """Let NumPy's iterator choose shape and memory order, as it does for the function."""
    arrays = [argument for argument in arguments if _is_array(argument)]
    ones = (np.ones((), a.dtype) if _is_array(a) else a for a in arguments)
    reads: Any = ["readonly"]
    writes: Any = ["writeonly", "allocate"]
    iterator = np.nditer(
        [*arrays, None],
        ["zerosize_ok"],
        [reads] * len(arrays) + [writes],
        [None] * len(arrays) + [function(*ones).dtype],
    )
    return iterator.operands[-1]


def _empty_reduction(
    function: Callable[..., Any],
    x: NDArray,
    *,
    axis: int | tuple[int, ...],
    keepdims: bool,
    dtype: Any = None,
) -> NDArray:
    axes = {a % x.ndim for a in ((axis,) if isinstance(axis, int) else axis)}
    shape = [1 if i in axes else n for i, n in enumerate(x.shape) if keepdims or i not in axes]
    options = {} if dtype is None else {"dtype": dtype}
    return np.empty(shape, function(np.ones(1, x.dtype), **options).dtype)


def _is_array(argument: Any) -> bool:
    return isinstance(argument, np.ndarray)


def into(
    out: NDArray,
    function: Function,
    arguments: tuple[Any, ...],
    options: dict[str, Any],
) -> Operation:
    """Return the call of a recorded function that writes its result to ``out``.

    Positional arguments, and numbers converted to arrays ahead of time, make a small call a
    third faster.
    """
    if isinstance(function, ExternalCall):
        return partial(function, *arguments, out)
    if function is DataMovement.COPY:
        return partial(np.copyto, out, arguments[0], "unsafe")
    if function is DataMovement.TAKE:
        # This package made the indices, so they are valid; "clip" avoids a buffer for `out`.
        x, indices = arguments
        return partial(x.take, indices, options["axis"], out, "clip")
    if function is DataMovement.CONCAT:
        return partial(np.concatenate, arguments, 0, out)
    if function in REDUCTIONS:
        x, dtype = arguments[0], options.get("dtype")
        return partial(function, x, options["axis"], dtype, out, options["keepdims"])
    if function in PRODUCTS:
        return partial(function, *arguments, out)
    if function in (np.maximum, np.minimum):  # NumPy deprecates a positional third argument.
        return partial(function, *_as_arrays(arguments), out=out)
    return partial(function, *_as_arrays(arguments), out)


def _as_arrays(arguments: tuple[Any, ...]) -> list[Any]:
    """Convert numbers to arrays where this changes no dtype."""
    dtypes = {argument.dtype for argument in arguments if _is_array(argument)}
    if len(dtypes) != 1:
        return list(arguments)
    (dtype,) = dtypes
    return [
        _as_array(argument, dtype) if np.isscalar(argument) else argument for argument in arguments
    ]


def _as_array(number: Any, dtype: np.dtype[Any]) -> Any:
    try:
        return np.asarray(number, dtype) if np.result_type(dtype, number) == dtype else number
    except OverflowError:  # For example -1 compared with bytes.
        return number
