"""How a step is spread over a device, as far as the mathematics is told."""

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
"""Takes the sums of this rank's branches and writes the sum of everyone's to an array."""
LowPrecisionMatmul: TypeAlias = Callable[[Array, Array, int], Array]
"""See `precision.low_precision_matmul`."""


Step: TypeAlias = Callable[[Any, Any, Any], Any]
Run: TypeAlias = Callable[[Any, Any], Any]
AllGather: TypeAlias = Callable[[Any], list[Any]]
"""Returns the values of all ranks that run a step together, see `ProcessGroup.allgather`."""


class Execution(Protocol):
    """How a step is spread over a device; every `Backend` is one, and `SerialExecution`."""

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
    """Everything at once, in the order in which it is written."""

    shard_rows: int = 2**31
    cached: int = 2**31
    workers: int = 1
    low_precision_matmul: LowPrecisionMatmul = low_precision_matmul

    @classmethod
    def within(cls, execution: Execution) -> SerialExecution:
        """Return how a part of a step is done that an engine has spread."""
        return cls(cached=execution.cached, low_precision_matmul=execution.low_precision_matmul)

    def fuse(self, update: Update) -> Update:
        return update

    def parallel_map(self, function: PartFunction, array: Array, items: Sequence[Any]) -> list[Any]:
        return [function(array, items)]

    def all_reduce(self, exchange: AllReduce, own: Sequence[Array], dtype: Any) -> Array:
        return all_reduce(exchange, own, dtype)


def all_reduce(exchange: AllReduce, own: Sequence[Array], dtype: Any) -> Array:
    """Return, in a new array of this dtype, what an exchange makes of this rank's sums."""
    result = array_namespace(own[0]).empty_like(own[0], dtype=dtype)
    exchange(own, result)
    return result


def single_rank(value: Any) -> list[Any]:
    """Return the value of the only rank."""
    return [value]


def entries(batches: Any) -> Iterator[Any]:
    """Take a named tuple of stacked arrays (or None) apart along their first axis."""
    for i in range(batches[0].shape[0]):
        yield type(batches)(*(None if stack is None else stack[i, ...] for stack in batches))


SERIAL = SerialExecution()
