"""How a step is spread over a device, as far as the mathematics is told."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

from array_api_compat import array_namespace

from mnn_gpu.nn.matmul_precision import short_product

Array: TypeAlias = Any
OfPart: TypeAlias = Callable[[Array, Sequence[Any]], Any]
Update: TypeAlias = Callable[..., tuple[Array, ...]]
Exchange: TypeAlias = Callable[[Sequence[Array], Array], None]
"""Takes the sums of this rank's branches and writes the sum of everyone's to an array."""
ShortProduct: TypeAlias = Callable[[Array, Array, int], Array]
"""See `precision.short_product`."""


Step: TypeAlias = Callable[[Any, Any, Any], Any]
Run: TypeAlias = Callable[[Any, Any], Any]
Gathered: TypeAlias = Callable[[Any], list[Any]]
"""Returns the values of all ranks that run a step together, see `Ranks.gathered`."""


class Engine(Protocol):
    """How a step is spread over a device; every `Backend` is one, and `Plain`."""

    @property
    def shard_rows(self) -> int: ...
    @property
    def cached(self) -> int: ...
    @property
    def lanes(self) -> int: ...
    def fuse(self, update: Update, /) -> Update: ...
    def spread(self, function: OfPart, array: Array, items: Sequence[Any], /) -> list[Any]: ...
    def exchanged(self, exchange: Exchange, own: Sequence[Array], dtype: Any, /) -> Array: ...
    def short_product(self, A: Array, B: Array, bits: int, /) -> Array: ...


@dataclass(frozen=True)
class Plain:
    """Everything at once, in the order in which it is written."""

    shard_rows: int = 2**31
    cached: int = 2**31
    lanes: int = 1
    short_product: ShortProduct = short_product

    @classmethod
    def within(cls, engine: Engine) -> Plain:
        """Return how a part of a step is done that an engine has spread."""
        return cls(cached=engine.cached, short_product=engine.short_product)

    def fuse(self, update: Update) -> Update:
        return update

    def spread(self, function: OfPart, array: Array, items: Sequence[Any]) -> list[Any]:
        return [function(array, items)]

    def exchanged(self, exchange: Exchange, own: Sequence[Array], dtype: Any) -> Array:
        return exchanged(exchange, own, dtype)


def exchanged(exchange: Exchange, own: Sequence[Array], dtype: Any) -> Array:
    """Return, in a new array of this dtype, what an exchange makes of this rank's sums."""
    result = array_namespace(own[0]).empty_like(own[0], dtype=dtype)
    exchange(own, result)
    return result


def of_one_rank(value: Any) -> list[Any]:
    """Return the value of the only rank."""
    return [value]


def entries(batches: Any) -> Iterator[Any]:
    """Take a named tuple of stacked arrays (or None) apart along their first axis."""
    for i in range(batches[0].shape[0]):
        yield type(batches)(*(None if stack is None else stack[i, ...] for stack in batches))


PLAIN = Plain()
