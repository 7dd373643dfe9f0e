"""A long vector in pieces, for JAX.

XLA copies the matrices out of a flat vector in every step, and concatenates the parts of a
gradient again. If the vector is stored as separate arrays, split where the step slices it,
no copies are needed; the step still sees one vector.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Sequence
from functools import cache
from itertools import pairwise
from typing import Any, TypeAlias

from array_api_compat import device

Array: TypeAlias = Any


class Concat:
    """A vector made of pieces, with what a step uses: shape, dtype, device and slices.

    Parameters
    ----------
    parts : sequence of JAX arrays of one dimension
    bounds : tuple of int
        Start of each piece, and end of the last.
    asked : set of int, optional
        Collects the bounds of the slices that are taken.
    """

    ndim = 1

    def __init__(
        self, parts: Sequence[Array], bounds: tuple[int, ...], asked: set[int] | None = None
    ) -> None:
        self.parts = tuple(parts)
        self.bounds = bounds
        self.asked = asked

    @property
    def shape(self) -> tuple[int]:
        return (self.bounds[-1],)

    @property
    def dtype(self) -> Any:
        return self.parts[0].dtype

    @property
    def device(self) -> Any:
        return device(self.parts[0])

    def __array_namespace__(self, api_version: str | None = None) -> Any:
        return importlib.import_module("jax.numpy")

    def __getitem__(self, key: slice) -> Array:
        start, stop, _ = key.indices(self.bounds[-1])
        if self.asked is not None:
            self.asked |= {start, stop}
        pieces = [
            part[max(start - low, 0) : stop - low]
            for part, (low, high) in zip(self.parts, pairwise(self.bounds), strict=True)
            if low < stop and high > start
        ]
        return pieces[0] if len(pieces) == 1 else self.__array_namespace__().concat(pieces)


def cut(vector: Array, bounds: tuple[int, ...]) -> Concat:
    """Split a flat vector into pieces; a vector that is already split is unchanged."""
    if isinstance(vector, Concat):
        return vector
    return Concat([vector[low:high] for low, high in pairwise(bounds)], bounds)


def piecewise(update: Any) -> Any:
    """Return an elementwise function that processes split vectors piece by piece."""

    def by_pieces(*arguments: Any) -> tuple[Any, ...]:
        cut_ones = [a for a in arguments if isinstance(a, Concat)]
        if not cut_ones:
            result: tuple[Any, ...] = update(*arguments)
            return result
        bounds = cut_ones[0].bounds
        columns = [list(_pieces(argument, bounds)) for argument in arguments]
        results = [update(*row) for row in zip(*columns, strict=True)]
        return tuple(Concat(parts, bounds) for parts in zip(*results, strict=True))

    return by_pieces


def _pieces(argument: Any, bounds: tuple[int, ...]) -> Iterator[Any]:
    if getattr(argument, "ndim", 0) == 1:
        yield from cut(argument, bounds).parts
    else:
        yield from [argument] * (len(bounds) - 1)


@cache
def register() -> None:
    """Register `Concat` as a JAX pytree; once per process."""
    tree_util = importlib.import_module("jax.tree_util")
    tree_util.register_pytree_node(
        Concat,
        lambda joined: (joined.parts, joined.bounds),
        lambda bounds, parts: Concat(parts, bounds),
    )
