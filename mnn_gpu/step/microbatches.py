"""Cutting a batch into shards: fixed runs of samples that are worked on one by one.

A shard is ``(X, labels)`` on the device, X as (features, m) and labels as (m,). The
gradient sums of a batch's shards are added up and divided once, so a full batch stays
in the cache of a CPU and within the memory of a GPU.
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
    """Cut 0..length into runs of ``size``; the last may be shorter."""
    return [slice(start, min(start + size, length)) for start in range(0, length, size)]


def microbatch_slices(m: int, shard_rows: int, workers: int = 1) -> list[slice]:
    """Cut m samples into shards as even as can be, of ``shard_rows`` at most.

    If more than one is needed they make whole rounds of ``workers``, that is of shards
    that are worked on side by side.
    """
    if m > shard_rows:
        rounds = ceil(m / (shard_rows * workers))
        shard_rows = ceil(m / (rounds * workers))
    return slices(m, shard_rows)


def even_start(m: int, parts: int, i: int) -> int:
    """Return where part ``i`` begins if m samples are cut as evenly as can be, larger parts first.

    Some of the parts in a row are cut like this themselves.
    """
    size, longer = divmod(m, parts)
    return i * size + min(i, longer)


def part_of(count: int, part: int, parts: int) -> range:
    """Return which of so many things belong to one of several parts in a row."""
    return range(count * part // parts, count * (part + 1) // parts)


def shard_slices(m: int, leaves: int, shard_rows: int) -> list[list[slice]]:
    """Cut m samples into a number of leaves, and each of these into runs of ``shard_rows`` at most.

    A leaf may be empty; then it has no runs.
    """
    starts = [even_start(m, leaves, i) for i in range(leaves + 1)]
    return [
        [
            slice(first + s.start, first + s.stop)
            for s in microbatch_slices(stop - first, shard_rows)
        ]
        for first, stop in pairwise(starts)
    ]


def split_rows(X: Array, labels: Array, shard_rows: int, workers: int = 1) -> list[Microbatch]:
    """Cut (m, features) and (m,) into shards; X turns to (features, m), a view."""
    return split_at(X, labels, microbatch_slices(X.shape[0], shard_rows, workers))


def split_at(X: Array, labels: Array, runs: Sequence[slice]) -> list[Microbatch]:
    """Return the shards that are these runs of (m, features) and (m,)."""
    return [(X[rows, :].T, labels[rows, ...]) for rows in runs]


def joined(parts: Sequence[Array]) -> Array:
    """Join along the first axis; one part needs no copy."""
    return array_namespace(*parts).concat(parts) if len(parts) > 1 else parts[0]


def scaled(shards: Sequence[Microbatch], dtype: Any, free: int | None) -> list[Microbatch]:
    """Scale the pixels of all shards once, if the device has the memory to keep them.

    Otherwise they stay as they are, and each step scales the shard in hand: the result
    is the same, only slower.

    Parameters
    ----------
    shards : sequence of (X, labels)
    dtype : floating dtype of their namespace
    free : int or None
        The device's free memory in bytes, None if unknown.
    """
    samples = sum(X.shape[0] * X.shape[1] for X, _ in shards)
    if free is not None and samples * 8 > free // 2:
        return list(shards)
    # Sample by sample, as they lie: not all libraries keep the order of a transposed array.
    return [(network.scale_pixels(X.T, dtype).T, labels) for X, labels in shards]
