"""Cutting a batch into shards: fixed runs of samples that are worked on one by one.

A shard is ``(X, labels)`` on the device, X as (features, m) and labels as (m,). The
gradient sums of a batch's shards are added up and divided once, so a full batch stays
in the cache of a CPU and within the memory of a GPU.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, TypeAlias

from array_api_compat import array_namespace

from mnn_gpu import network
from mnn_gpu.backend import Backend
from mnn_gpu.step import Shard

Array: TypeAlias = Any


def slices(length: int, size: int) -> Iterator[slice]:
    """Cut 0..length into runs of ``size``; the last may be shorter."""
    for start in range(0, length, size):
        yield slice(start, min(start + size, length))


def cut(X: Array, labels: Array, shard_rows: int) -> list[Shard]:
    """Cut (m, features) and (m,) into shards; X turns to (features, m), a view."""
    return [(X[rows, :].T, labels[rows]) for rows in slices(X.shape[0], shard_rows)]


def scaled(backend: Backend, shards: Sequence[Shard], dtype: Any) -> list[Shard]:
    """Scale the pixels of all shards once, if the device has the memory to keep them.

    Otherwise they stay as they are, and each step scales the shard in hand: the result
    is the same, only slower.
    """
    itemsize = backend.xp.finfo(dtype).bits // 8
    need = sum(X.shape[0] * X.shape[1] for X, _ in shards) * itemsize
    free = backend.memory().free
    if free is not None and need > free // 2:
        return list(shards)
    return [(network.unit_range(X, dtype), labels) for X, labels in shards]


def minibatches(
    X: Array, labels: Array, orders: Iterator[Array], batch_size: int, shard_rows: int
) -> Iterator[list[Shard]]:
    """Gather batch after batch, epoch after epoch, on the device.

    Parameters
    ----------
    X : (rows, features)
    labels : (rows,)
    orders : iterator of (rows,), integer, on the device
        Each epoch's permutation of the rows.
    """
    xp = array_namespace(X)
    for order in orders:
        for batch in slices(order.shape[0], batch_size):
            rows = order[batch]
            yield cut(xp.take(X, rows, axis=0), xp.take(labels, rows, axis=0), shard_rows)
