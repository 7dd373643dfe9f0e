"""A device that captures and replays kernels with NumPy, as a GPU does with CUDA graphs."""

from __future__ import annotations

import ctypes
import random
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import Any

import numpy as np

from mnn_gpu.compiler.cuda_graphs.device import Launcher
from mnn_gpu.compiler.cuda_graphs.expressions import (
    CAST,
    TAKE,
    Expression,
    Input,
    Number,
    Operation,
)
from mnn_gpu.compiler.cuda_graphs.kernels import (
    ColumnProduct,
    ColumnReduction,
    Columns,
    KernelSpec,
    Product,
    Reduction,
    SmallMatmulRows,
    SmallMatmulSlices,
)
from mnn_gpu.compiler.cuda_graphs.scheduling import ScheduleEntry
from mnn_gpu.nn.matmul_precision import rounded


class GpuLostError(Exception):
    """A stand-in for a CUDA error after which all calls fail."""


class ReplayDevice:
    """See `device.Device`; the streams of a capture are executed in random order."""

    def __init__(self) -> None:
        self.runs = 0
        self.launched: list[KernelSpec] = []
        self.refused: Exception | None = None
        self.ended = 0
        self.random = random.Random(0)

    def memory(self, size: int) -> Any:
        return np.full(size, 0xFF, np.uint8)  # NaN, to reveal reads before writes.

    def view(self, buffer: Any, offset: int, shape: Any, dtype: Any, strides: Any) -> Any:
        span = sum((n - 1) * step for n, step in zip(shape, strides, strict=True))
        address = buffer.__array_interface__["data"][0] + offset
        memory = (ctypes.c_char * (span + dtype.itemsize)).from_address(address)
        return np.ndarray(shape, dtype, memory, 0, strides)

    def copy(self, array: Any) -> Any:
        return np.array(array, order="C")

    def overwrite(self, place: Any, array: Any) -> None:
        place[...] = array

    def launcher(self, spec: KernelSpec) -> Launcher:
        def launch(inputs: Sequence[Any], outputs: Sequence[Any]) -> None:
            self.launched.append(spec)
            for place, result in zip(outputs, results(spec, inputs), strict=True):
                assert (place.size, place.dtype) == (result.size, result.dtype)
                place[...] = result.reshape(place.shape)

        return partial(partial, launch)

    def compile(self) -> None:
        pass

    def captured(
        self, operations: Sequence[Callable[[], object]], entries: Sequence[ScheduleEntry]
    ) -> Callable[[], None] | None:
        if self.refused is not None:
            raise self.refused
        if self.ended:
            self.ended -= 1
            return None

        def launch() -> None:
            self.runs += 1
            for number in any_order(entries, self.random):
                operations[number]()

        return launch

    def is_lost(self, error: Exception) -> bool:
        return isinstance(error, GpuLostError)

    def active(self) -> AbstractContextManager[Any]:
        return nullcontext()


def any_order(entries: Sequence[ScheduleEntry], choice: random.Random) -> Iterator[int]:
    """Yield the indices of a schedule in an order in which a device might run them."""
    workers: dict[int, deque[int]] = {}
    for number, entry in enumerate(entries):
        workers.setdefault(entry.stream, deque()).append(number)
    done: set[int] = set()
    while len(done) < len(entries):
        ready = [
            stream
            for stream in workers.values()
            if stream and done.issuperset(entries[stream[0]].after)
        ]
        number = choice.choice(ready).popleft()
        done.add(number)
        yield number


def results(spec: KernelSpec, inputs: Sequence[Any]) -> list[Any]:
    """Return the outputs of a kernel."""
    if isinstance(spec, Product):
        A, B = inputs
        if spec.bits is not None:
            A, B = rounded(A, spec.bits), rounded(B, spec.bits)
        return [A @ B]
    if isinstance(spec, Reduction):
        (values,) = evaluated(spec.expression, inputs)
        return [getattr(np, spec.function).reduce(values, axis=spec.axes, dtype=values.dtype)]
    if isinstance(spec, SmallMatmulRows):
        return [inputs[0] @ inputs[1]]
    if isinstance(spec, SmallMatmulSlices):
        A, B = inputs
        cuts = range(0, spec.inner, spec.slice)
        return [np.stack([A[:, k : k + spec.slice] @ B[k : k + spec.slice] for k in cuts])]
    if isinstance(spec, Columns):
        return column_results(spec, inputs)
    return evaluated(spec, inputs)


def column_results(spec: Columns, inputs: Sequence[Any]) -> list[Any]:
    """Compute a `Columns` kernel, all columns at once."""
    assert [(a.dtype, a.strides[-1] // a.itemsize) for a in inputs] == [
        (x.dtype, x.column_stride) for x in spec.inputs
    ]
    values: list[Any] = []

    def operand(one: Any) -> Any:
        if isinstance(one, Number):
            return one
        return inputs[one.number] if isinstance(one, Input) else values[one.number]

    for operation, rows in zip(spec.operations, spec.rows, strict=True):
        if isinstance(operation, ColumnProduct):
            column = operand(operation.column)
            values.append(operand(operation.matrix) @ column.reshape(-1, spec.columns))
        elif isinstance(operation, ColumnReduction):
            column = np.broadcast_to(operand(operation.column), (operation.rows, spec.columns))
            function = getattr(np, operation.function)
            values.append(function.reduce(column, axis=0, keepdims=True, dtype=operation.dtype))
        else:
            result = value_of(operation, [operand(one) for one in operation.operands], ())
            values.append(spread(result, (rows, spec.columns)))
        assert values[-1].dtype == operation.dtype
    return [values[number] for number in spec.outputs]


def evaluated(expression: Expression, inputs: Sequence[Any]) -> list[Any]:
    """Compute an expression with NumPy, operation by operation."""
    assert tuple(array.dtype for array in inputs) == expression.inputs
    shape = next(a.shape for n, a in enumerate(inputs) if n not in expression.rows_of)
    values: list[Any] = []

    def operand(one: Any) -> Any:
        if isinstance(one, Number):
            return one
        return inputs[one.number] if isinstance(one, Input) else values[one.number]

    for operation in expression.operations:
        values.append(value_of(operation, [operand(one) for one in operation.operands], shape))
        assert values[-1].dtype == operation.dtype
    return [spread(values[number], shape) for number in expression.outputs]


def spread(array: Any, shape: tuple[int, ...]) -> Any:
    """Return an array broadcast to a shape; most already have it, and `broadcast_to` is slow."""
    return array if array.shape == shape else np.broadcast_to(array, shape)


def number_of(text: str) -> float:
    """Parse a Python number; not with `ast`, which fails in several threads on Python 3.11."""
    if text in ("True", "False"):
        return text == "True"
    return int(text) if text.lstrip("-").isdigit() else float(text)


def value_of(operation: Operation, operands: Sequence[Any], shape: Any) -> Any:
    """Compute an operation with NumPy, of arrays and Numbers."""
    operands = [number_of(o.text) if isinstance(o, Number) else o for o in operands]
    if operation.name == TAKE:
        x, row, width = operands
        column = np.arange(row.size).reshape(shape) % width if width > 1 else 0
        return x[row.astype(np.int64) * width + column]
    pairs = zip(operands, operation.computed_in, strict=True)
    brought = [np.asarray(number).astype(dtype) for number, dtype in pairs]
    if operation.name == CAST:
        return brought[0].astype(operation.dtype)
    return np.asarray(getattr(np, operation.name)(*brought))
