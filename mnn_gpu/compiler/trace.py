"""Tracing: record the operations of a pure array-API function on NumPy arrays.

The function runs once on `Traced` arrays: a `Tape` records the function, the arguments and
memory for the result of each operation, but nothing is computed. `replay.py` turns the tape
into a program.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, TypeAlias

import array_api_compat.numpy
import numpy as np
import numpy.typing as npt

from mnn_gpu.compiler import small_matmul
from mnn_gpu.compiler.operations import DataMovement, Function, empty_result
from mnn_gpu.compiler.views import in_shape

NDArray: TypeAlias = npt.NDArray[Any]

LARGE = 1 << 16
"""Elements."""


class Call(NamedTuple):
    """One operation: ``result = function(*arguments, **options)``.

    Operations of different workers in a group are independent; worker 0 means no worker.
    """

    function: Function
    arguments: tuple[Any, ...]
    options: dict[str, Any]
    result: NDArray
    worker: int
    group: int


class Tape:
    """The operations of one run, in order; also the array-API namespace of traced arrays.

    Parameters
    ----------
    for_host : bool
        Whether NumPy executes the operations. If so, small matrix products and numbers are
        recorded in the form that is fastest there.
    """

    __name__ = "mnn_gpu.compiler.trace"

    def __init__(self, *, for_host: bool = True) -> None:
        self.for_host = for_host
        self.calls: list[Call] = []
        self.known: dict[Any, Traced] = {}
        self.constants: dict[Any, NDArray] = {}
        self.group = 0
        self._worker = 0

    @property
    def worker(self) -> int:
        """The worker of the next operations, 0 for none."""
        return self._worker

    @worker.setter
    def worker(self, worker: int) -> None:
        self.group += worker > 0 and self._worker == 0
        self._worker = worker

    def traced(self, array: npt.ArrayLike) -> Traced:
        """Return an existing array as an input of the recorded operations."""
        return Traced(self, np.asarray(array))

    def do(self, function: Function, *arguments: Any, **options: Any) -> Traced:
        """Record an operation that makes a new array; an identical one is recorded once."""
        plain = tuple(_plain(argument) for argument in arguments)
        same = (function, *map(_identity, plain), *options.items())
        for worker in (0, self.worker):
            if (worker, same) in self.known:
                return self.known[worker, same]
        result = empty_result(function, plain, options)
        self.calls.append(Call(function, plain, options, result, self.worker, self.group))
        self.known[self.worker, same] = Traced(self, result)
        return self.known[self.worker, same]

    # ---- the namespace that a step may use -------------------------------------------

    def __getattr__(self, name: str) -> Any:
        """Return dtypes, and functions that are the same as NumPy's."""
        if name in ("exp", "log", "log1p", "tanh", "abs", "sqrt", "floor", "isfinite"):
            return lambda x: self.do(getattr(np, name), x)
        if name in ("bool", "int32", "int64", "uint8", "float32", "float64"):
            return np.dtype(name)
        if name in ("isdtype", "result_type"):
            return getattr(np, name)
        if name == "__array_namespace_info__":  # NumPy has it from version 2.1.
            return array_api_compat.numpy.__array_namespace_info__
        raise AttributeError(f"{name} cannot be traced")

    def arange(self, stop: int, *, dtype: Any = None, device: Any = None) -> Traced:  # noqa: ARG002
        return self.traced(np.arange(stop, dtype=dtype))

    def zeros(self, shape: tuple[int, ...], *, dtype: Any, device: Any = None) -> Traced:  # noqa: ARG002
        return self.traced(np.zeros(shape, dtype))

    def ones_like(self, x: Traced) -> Traced:
        return self.traced(np.ones_like(x.array))

    def reshape(self, x: Traced, shape: tuple[int, ...]) -> Traced:
        view = in_shape(x.array, shape)
        if view is None:
            return self.reshape(self.do(DataMovement.COPY, x, order="C"), shape)
        return Traced(self, view)

    def astype(self, x: Traced, dtype: Any, *, copy: bool = True) -> Traced:
        return (
            x
            if x.dtype == dtype and not copy
            else self.do(DataMovement.COPY, x, dtype=np.dtype(dtype))
        )

    def maximum(self, x: Traced, y: Any) -> Traced:
        return self.do(np.maximum, x, self._operand(x.array, y))

    def minimum(self, x: Traced, y: Any) -> Traced:
        return self.do(np.minimum, x, self._operand(x.array, y))

    def _operand(self, like: NDArray, value: Any) -> Any:
        """Return a number as an array, which makes NumPy several times faster.

        For a large array only one row, which stays in the cache.
        """
        if isinstance(value, Traced) or not self.for_host:
            return value
        shape = like.shape if like.size <= LARGE else (1,) * (like.ndim - 1) + like.shape[-1:]
        dtype = np.result_type(like, value)
        key = (shape, dtype, repr(value))
        if key not in self.constants:
            self.constants[key] = np.full(shape, value, dtype)
        return self.constants[key]

    def max(self, x: Traced, *, axis: int, keepdims: bool = False) -> Traced:
        if min(x.array.strides, default=0) < 0:
            # NumPy 2.0 and 2.1 reduce such an array wrongly if ``out`` is given.
            x = self.do(DataMovement.COPY, x, order="C")
        return self.do(np.maximum.reduce, x, axis=axis, keepdims=keepdims)

    def sum(
        self, x: Traced, *, axis: int | None = None, dtype: Any = None, keepdims: bool = False
    ) -> Traced:
        axes = tuple(range(x.ndim)) if axis is None else axis
        return self.do(np.add.reduce, x, axis=axes, dtype=dtype, keepdims=keepdims)

    def take(self, x: Any, indices: Traced, *, axis: int) -> Traced:
        return self.do(DataMovement.TAKE, x, indices, axis=axis)

    def matmul(self, A: Any, B: Any) -> Traced:
        """Multiply; with few rows in another way, so that the rounding may differ."""
        A, B = np.asarray(_plain(A)), np.asarray(_plain(B))
        if not self.for_host or not small_matmul.is_small(len(A), *B.shape):
            return self.do(np.dot, A, B)

        def do(*arguments: Any, **options: Any) -> NDArray:
            return self.do(*arguments, **options).array

        return Traced(self, small_matmul.product(do, A, B))

    def low_precision_matmul(self, A: Any, B: Any, bits: int) -> Traced:
        """Multiply operands that the device itself rounds to ``bits`` significant bits."""
        return self.do(np.dot, A, B, bits=bits)

    def concat(self, arrays: Sequence[Traced]) -> Traced:
        return self.do(DataMovement.CONCAT, *arrays)


class Traced:
    """A NumPy array whose operations are recorded on a tape."""

    __array_ufunc__ = None  # NumPy arrays defer mixed operations to this class.

    def __init__(self, tape: Tape, array: NDArray) -> None:
        self.tape = tape
        self.array = array
        self.shape, self.dtype, self.ndim = array.shape, array.dtype, array.ndim
        self.device = "cpu"

    def __array_namespace__(self, api_version: str | None = None) -> Tape:
        return self.tape

    @property
    def T(self) -> Traced:
        return Traced(self.tape, self.array.T)

    def __getitem__(self, key: Any) -> Traced:
        keys = key if isinstance(key, tuple) else (key,)
        if not all(
            one is None or one is ... or isinstance(one, slice | int | np.integer) for one in keys
        ):
            raise TypeError("only views can be traced, not selected elements")
        # With an ellipsis, a single entry is also a view: there may be no memory to read.
        return Traced(self.tape, self.array[keys if ... in keys else (*keys, ...)])

    def __add__(self, other: Any) -> Traced:
        return self.tape.do(np.add, self, other)

    def __radd__(self, other: Any) -> Traced:
        return self.tape.do(np.add, other, self)

    def __sub__(self, other: Any) -> Traced:
        return self.tape.do(np.subtract, self, other)

    def __rsub__(self, other: Any) -> Traced:
        return self.tape.do(np.subtract, other, self)

    def __mul__(self, other: Any) -> Traced:
        return self.tape.do(np.multiply, self, other)

    def __rmul__(self, other: Any) -> Traced:
        return self.tape.do(np.multiply, other, self)

    def __truediv__(self, other: Any) -> Traced:
        return self.tape.do(np.divide, self, other)

    def __rtruediv__(self, other: Any) -> Traced:
        return self.tape.do(np.divide, other, self)

    def __matmul__(self, other: Any) -> Traced:
        return self.tape.matmul(self, other)

    def __rmatmul__(self, other: Any) -> Traced:
        return self.tape.matmul(other, self)

    def __gt__(self, other: Any) -> Traced:
        return self.tape.do(np.greater, self, other)

    def __ge__(self, other: Any) -> Traced:
        return self.tape.do(np.greater_equal, self, other)

    def __le__(self, other: Any) -> Traced:
        return self.tape.do(np.less_equal, self, other)

    def __ne__(self, other: object) -> Traced:  # type: ignore[override]
        return self.tape.do(np.not_equal, self, other)

    def __eq__(self, other: object) -> Traced:  # type: ignore[override]
        return self.tape.do(np.equal, self, other)

    __hash__ = None  # type: ignore[assignment]

    def __bool__(self) -> bool:
        raise TypeError("a step must not branch on the values of its arrays")


def _plain(argument: Any) -> Any:
    return argument.array if isinstance(argument, Traced) else argument


def _identity(argument: Any) -> Any:
    """Return the identity of an argument; nothing on a tape is overwritten or freed."""
    if not isinstance(argument, np.ndarray):
        return type(argument), repr(argument)  # 0.0 and -0.0 are equal but not identical.
    address = argument.__array_interface__["data"][0]
    return address, argument.shape, argument.strides, argument.dtype
