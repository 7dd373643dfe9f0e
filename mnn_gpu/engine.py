"""How a step is spread over a device, as far as the mathematics is told."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

Array: TypeAlias = Any
OfPart: TypeAlias = Callable[[Array, Sequence[Any]], Any]
Update: TypeAlias = Callable[..., tuple[Array, ...]]


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


@dataclass(frozen=True)
class Plain:
    """Everything at once, in the order in which it is written."""

    shard_rows: int = 2**31
    cached: int = 2**31
    lanes: int = 1

    def fuse(self, update: Update) -> Update:
        return update

    def spread(self, function: OfPart, array: Array, items: Sequence[Any]) -> list[Any]:
        return [function(array, items)]


PLAIN = Plain()
