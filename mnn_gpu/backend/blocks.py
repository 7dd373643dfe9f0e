"""Elementwise functions of long vectors, block by block, so that they stay in the cache."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

from array_api_compat import array_namespace

Array: TypeAlias = Any
Elementwise: TypeAlias = Callable[..., tuple[Array, ...]]


def blockwise(function: Elementwise, block: int) -> Elementwise:
    """Return a function with the same results that works on ``block`` elements at a time.

    Parameters
    ----------
    function : callable
        Takes vectors of one length and scalars (0 dimensions), elementwise; returns a tuple
        of vectors.
    block : int
        How many elements fit the cache, with all temporary results of the function.
    """

    def in_blocks(*arguments: Array) -> tuple[Array, ...]:
        length = max(a.shape[0] for a in arguments if a.ndim)
        if length <= block:
            return function(*arguments)
        parts = [
            function(*(a[start : min(start + block, length)] if a.ndim else a for a in arguments))
            for start in range(0, length, block)
        ]
        xp = array_namespace(parts[0][0])
        return tuple(xp.concat(list(part)) for part in zip(*parts, strict=True))

    return in_blocks
