"""The interface between the mathematics of a step and the device that runs it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

from array_api_compat import array_namespace

from mnn_gpu.nn.matmul_precision import low_precision_matmul

Array: TypeAlias = Any
PartFunction: TypeAlias = Callable[[Array, Sequence[Any]], Any]
Update: TypeAlias = Callable[..., tuple[Array, ...]]
AllReduce: TypeAlias = Callable[[Sequence[Array], Array], None]
"""Writes the sum of all ranks' branches to an array, given the sums of this rank's branches."""
LowPrecisionMatmul: TypeAlias = Callable[[Array, Array, int], Array]
"""See `matmul_precision.low_precision_matmul`."""


Step: TypeAlias = Callable[[Any, Any, Any], Any]
Run: TypeAlias = Callable[[Any, Any], Any]
AllGather: TypeAlias = Callable[[Any], list[Any]]
"""Returns the values of all ranks that run a step together; see `ProcessGroup.allgather`."""


class Execution(Protocol):
    """How a step runs on a device; implemented by every `Backend` and by `SerialExecution`."""

    @property
    def shard_rows(self) -> int: ...
    @property
    def cached(self) -> int: ...
    @property
    def workers(self) -> int: ...
    def fuse(self, update: Update, /) -> Update: ...
    def parallel_map(
        self, function: PartFunction, array: Array, items: Sequence[Any], /
    ) -> list[Any]: ...
    def all_reduce(self, exchange: AllReduce, own: Sequence[Array], dtype: Any, /) -> Array: ...
    def low_precision_matmul(self, A: Array, B: Array, bits: int, /) -> Array: ...


@dataclass(frozen=True)
class SerialExecution:
    """Runs everything at once, in program order."""

    shard_rows: int = 2**31
    cached: int = 2**31
    workers: int = 1
    low_precision_matmul: LowPrecisionMatmul = low_precision_matmul

    @classmethod
    def within(cls, execution: Execution) -> SerialExecution:
        """Return the serial execution of one part of a step that ``execution`` has divided."""
        return cls(cached=execution.cached, low_precision_matmul=execution.low_precision_matmul)

    def fuse(self, update: Update) -> Update:
        return update

    def parallel_map(self, function: PartFunction, array: Array, items: Sequence[Any]) -> list[Any]:
        return [function(array, items)]

    def all_reduce(self, exchange: AllReduce, own: Sequence[Array], dtype: Any) -> Array:
        return all_reduce(exchange, own, dtype)


def all_reduce(exchange: AllReduce, own: Sequence[Array], dtype: Any) -> Array:
    """Return the result of an exchange of this rank's sums, in a new array of this dtype."""
    result = array_namespace(own[0]).empty_like(own[0], dtype=dtype)
    exchange(own, result)
    return result


def single_rank(value: Any) -> list[Any]:
    """Return the value of the only rank, as `AllGather` does."""
    return [value]


def entries(batches: Any) -> Iterator[Any]:
    """Split a named tuple of stacked arrays (or None) along their first axis."""
    for i in range(batches[0].shape[0]):
        yield type(batches)(*(None if stack is None else stack[i, ...] for stack in batches))


SERIAL = SerialExecution()
