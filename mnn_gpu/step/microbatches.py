"""Splitting a batch into microbatches, which are processed one by one.

A microbatch is ``(X, labels)`` on the device, X as (features, m) and labels as (m,). Its
gradient is added to those of the batch's other microbatches, so a full batch fits in the
cache of a CPU and in the memory of a GPU.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from math import ceil
from typing import Any, TypeAlias

from array_api_compat import array_namespace

from mnn_gpu.nn import network

Array: TypeAlias = Any
Microbatch: TypeAlias = tuple[Array, Array]
"""``(X, labels)``: (features, m) pixels or floats, and (m,) class indices."""


def slices(length: int, size: int) -> list[slice]:
    """Split 0..length into slices of length ``size``; the last may be shorter."""
    return [slice(start, min(start + size, length)) for start in range(0, length, size)]


def microbatch_slices(m: int, shard_rows: int, workers: int = 1) -> list[slice]:
    """Split m samples into microbatches of nearly equal size, of at most ``shard_rows`` rows.

    If more than one is needed, their number is a multiple of ``workers``, which process
    them in parallel.
    """
    if m > shard_rows:
        rounds = ceil(m / (shard_rows * workers))
        shard_rows = ceil(m / (rounds * workers))
    return slices(m, shard_rows)


def even_start(m: int, parts: int, i: int) -> int:
    """Return the start of part ``i`` if m samples are split evenly, larger parts first.

    A consecutive range of these parts is split evenly by the same rule.
    """
    size, longer = divmod(m, parts)
    return i * size + min(i, longer)


def part_of(count: int, part: int, parts: int) -> range:
    """Return the items, of ``count``, that belong to one of several consecutive parts."""
    return range(count * part // parts, count * (part + 1) // parts)


def shard_slices(m: int, shards: int, shard_rows: int) -> list[list[slice]]:
    """Split m samples into shards, and each shard into slices of at most ``shard_rows``.

    A shard may be empty; then it has no slices.
    """
    starts = [even_start(m, shards, i) for i in range(shards + 1)]
    return [
        [
            slice(first + s.start, first + s.stop)
            for s in microbatch_slices(stop - first, shard_rows)
        ]
        for first, stop in pairwise(starts)
    ]


def split_rows(X: Array, labels: Array, shard_rows: int, workers: int = 1) -> list[Microbatch]:
    """Split (m, features) and (m,) into microbatches; X becomes (features, m), a view."""
    return split_at(X, labels, microbatch_slices(X.shape[0], shard_rows, workers))


def split_at(X: Array, labels: Array, runs: Sequence[slice]) -> list[Microbatch]:
    """Return the microbatches at the given slices of (m, features) and (m,)."""
    return [(X[rows, :].T, labels[rows, ...]) for rows in runs]


def joined(parts: Sequence[Array]) -> Array:
    """Concatenate along the first axis; a single part is not copied."""
    return array_namespace(*parts).concat(parts) if len(parts) > 1 else parts[0]


def scaled(shards: Sequence[Microbatch], dtype: Any, free: int | None) -> list[Microbatch]:
    """Scale the pixels of all microbatches once, if the device has enough memory.

    Otherwise they are left unchanged, and each step scales its current microbatch: the
    result is the same, only slower. ``free`` is in bytes, None if unknown.
    """
    samples = sum(X.shape[0] * X.shape[1] for X, _ in shards)
    if free is not None and samples * 8 > free // 2:
        return list(shards)
    # In row-major order: not all libraries keep the order of a transposed array.
    return [(network.scale_pixels(X.T, dtype).T, labels) for X, labels in shards]
