"""Elementwise functions of long vectors, in blocks that fit in the cache."""

from __future__ import annotations

from collections.abc import Callable
from math import ceil
from typing import Any, TypeAlias

from array_api_compat import array_namespace

from mnn_gpu.compiler.trace import Tape
from mnn_gpu.step.microbatches import slices

Array: TypeAlias = Any
Elementwise: TypeAlias = Callable[..., tuple[Array, ...]]


def blockwise(function: Elementwise, block: int, workers: int = 1) -> Elementwise:
    """Return a function with the same results that processes long vectors in blocks.

    Parameters
    ----------
    function : callable
        Takes vectors of one length and scalars, elementwise; returns a tuple of vectors.
    block : int
        Number of bytes of each vector that fit in the cache with all temporary results.
    workers : int
        Number of workers among which the blocks of a traced function are divided.
    """

    def in_blocks(*arguments: Array) -> tuple[Array, ...]:
        vectors = [argument for argument in arguments if _is_vector(argument)]
        length, xp = vectors[0].shape[0], array_namespace(*vectors)
        size = max(1, block // vectors[0].dtype.itemsize)
        if length <= size:
            return function(*arguments)
        parts = []
        blocks = slices(length, ceil(length / ceil(length / size)))
        for i, here in enumerate(blocks):
            if isinstance(xp, Tape) and workers > 1:
                xp.worker = 1 + i * workers // len(blocks)
            parts.append(function(*(a[here] if _is_vector(a) else a for a in arguments)))
        if isinstance(xp, Tape):
            xp.worker = 0
        return tuple(xp.concat(list(part)) for part in zip(*parts, strict=True))

    return in_blocks


def _is_vector(argument: Array) -> bool:
    return bool(getattr(argument, "ndim", 0))
