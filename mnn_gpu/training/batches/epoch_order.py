"""The order in which data that stay on the disk are gone through, and reading in that order.

Each epoch puts the blocks in a new order and cuts the rows, as they then follow on each other,
into one run a shard of the batches. A shard goes through its run a window at a time, whose
rows it mixes. So a rank reads its shards' part of the data alone, block by block, and what it
reads hangs on nothing but the seed, the epoch and the shard.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from mnn_gpu.data.open_blocks import Blocks
from mnn_gpu.step.microbatches import even_start
from mnn_gpu.step.sharding import BatchSharding
from mnn_gpu.utils.random_streams import MIXTURE, ORDER, generator

WINDOW = 1 << 26
"""Bytes of images that are mixed at a time, by all shards of a batch together: 85,000 rows of
784 bytes."""
LEAST_WINDOW = 1 << 20


class Run(NamedTuple):
    """Rows ``start`` to ``stop`` of a block."""

    block: int
    start: int
    stop: int


class EpochOrder:
    """In which order an epoch goes through the rows.

    Parameters
    ----------
    blocks : Blocks
    seed, epoch : int
    batch_size : int
    shards : int
        Of a batch.
    """

    def __init__(self, blocks: Blocks, seed: int, epoch: int, batch_size: int, shards: int) -> None:
        self.blocks = blocks
        self.which = seed, epoch
        self.size = batch_size
        self.sizes = np.diff(blocks.bounds)
        self.order = generator(ORDER, seed, epoch).permutation(len(self.sizes))
        self.ends = np.cumsum(self.sizes[self.order])
        whole, rest = divmod(len(blocks), batch_size)
        # Where each shard's run begins: it has its part of every whole batch and of the last.
        self.starts = [
            whole * even_start(batch_size, shards, shard) + even_start(rest, shards, shard)
            for shard in range(shards + 1)
        ]
        row = blocks.features * blocks.dtype.itemsize
        self.window = max(1, max(WINDOW // shards, LEAST_WINDOW) // row)

    def windows(self, shard: int) -> list[tuple[int, int]]:
        """Return where a shard's windows begin and end, among all rows in this order."""
        first, stop = self.starts[shard], self.starts[shard + 1]
        return list(pairwise([*range(first, stop, self.window), stop])) if stop > first else []

    def mixture(self, shard: int, number: int, rows: int) -> npt.NDArray[np.int64]:
        """Return the order in which a window's rows are used, (rows,)."""
        seed, epoch = self.which
        mixed: npt.NDArray[np.int64] = generator(MIXTURE, seed, epoch, shard, number).permutation(
            rows
        )
        return mixed

    def runs(self, start: int, stop: int) -> Iterator[Run]:
        """Yield the runs of rows that lie between two places in this order."""
        place = int(np.searchsorted(self.ends, start, side="right"))
        while start < stop:
            block = int(self.order[place])
            first = int(self.ends[place] - self.sizes[block])
            until = min(int(self.ends[place]), stop)
            # Of some blocks all rows are held out.
            if start < until:
                yield Run(block, start - first, until - first)
            start, place = until, place + 1

    def batch(self, place: int, m: int) -> npt.NDArray[np.int64]:
        """Return which rows of the data are in a batch of m, by its place in the epoch."""
        sharding = BatchSharding(len(self.starts) - 1)
        parts = [
            self._numbers(shard, place * (whole.stop - whole.start), own.stop - own.start)
            for shard, whole, own in zip(
                sharding.mine, sharding.parts(self.size), sharding.parts(m), strict=True
            )
        ]
        return np.concatenate(parts)

    def _numbers(self, shard: int, first: int, count: int) -> npt.NDArray[np.int64]:
        """Return which rows are a shard's, from the ``first`` of its own on."""
        found = [np.empty(0, np.int64)]
        begun = self.starts[shard]
        for number, (start, stop) in enumerate(self.windows(shard)):
            begin, end = (
                min(max(begun + at, start), stop) - start for at in (first, first + count)
            )
            if begin < end:
                runs = self.runs(start, stop)
                rows = [np.arange(r.start, r.stop) + self.blocks.bounds[r.block] for r in runs]
                mixture = self.mixture(shard, number, stop - start)
                found.append(np.concatenate(rows)[mixture][begin:end])
        return np.concatenate(found)
