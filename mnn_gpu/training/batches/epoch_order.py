"""The order in which an epoch uses data that stay on the disk.

Each epoch shuffles the blocks and splits their rows, in the new order of the blocks, into one
contiguous part for each shard of the batches. A shard shuffles its part window by window. So a
rank reads only the part of its shards, block by block, and what it reads depends only on the
seed, the epoch and the shard.
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
from mnn_gpu.utils.random_streams import SHUFFLE, WINDOW_SHUFFLE, generator

WINDOW = 1 << 26
"""Bytes of images that are shuffled at a time, by all shards of a batch together: 85,000 rows of
784 bytes."""
MIN_WINDOW = 1 << 20


class Run(NamedTuple):
    """Rows ``start`` to ``stop`` of a block."""

    block: int
    start: int
    stop: int


class EpochOrder:
    """The order of the rows in an epoch, for batches of a number of shards."""

    def __init__(self, blocks: Blocks, seed: int, epoch: int, batch_size: int, shards: int) -> None:
        self.blocks = blocks
        self.which = seed, epoch
        self.size = batch_size
        self.sizes = np.diff(blocks.bounds)
        self.order = generator(SHUFFLE, seed, epoch).permutation(len(self.sizes))
        self.ends = np.cumsum(self.sizes[self.order])
        whole, rest = divmod(len(blocks), batch_size)
        # Where each shard's part begins: it has a share of every whole batch and of the last one.
        self.starts = [
            whole * even_start(batch_size, shards, shard) + even_start(rest, shards, shard)
            for shard in range(shards + 1)
        ]
        row = blocks.features * blocks.dtype.itemsize
        self.window = max(1, max(WINDOW // shards, MIN_WINDOW) // row)

    def windows(self, shard: int) -> list[tuple[int, int]]:
        """Return where the windows of a shard begin and end, as places in this order."""
        first, stop = self.starts[shard], self.starts[shard + 1]
        return list(pairwise([*range(first, stop, self.window), stop])) if stop > first else []

    def window_permutation(self, shard: int, number: int, rows: int) -> npt.NDArray[np.int64]:
        """Return the order in which the rows of a window are used, (rows,)."""
        seed, epoch = self.which
        rng = generator(WINDOW_SHUFFLE, seed, epoch, shard, number)
        order: npt.NDArray[np.int64] = rng.permutation(rows)
        return order

    def runs(self, start: int, stop: int) -> Iterator[Run]:
        """Yield the runs of rows between two places in this order."""
        place = int(np.searchsorted(self.ends, start, side="right"))
        while start < stop:
            block = int(self.order[place])
            first = int(self.ends[place] - self.sizes[block])
            until = min(int(self.ends[place]), stop)
            # All rows of a block may be held out.
            if start < until:
                yield Run(block, start - first, until - first)
            start, place = until, place + 1

    def batch(self, place: int, m: int) -> npt.NDArray[np.int64]:
        """Return the indices of the rows in a batch of m, by its place in the epoch."""
        sharding = BatchSharding(len(self.starts) - 1)
        parts = [
            self._numbers(shard, place * (whole.stop - whole.start), own.stop - own.start)
            for shard, whole, own in zip(
                sharding.mine, sharding.parts(self.size), sharding.parts(m), strict=True
            )
        ]
        return np.concatenate(parts)

    def _numbers(self, shard: int, first: int, count: int) -> npt.NDArray[np.int64]:
        """Return the indices of ``count`` rows of a shard, from its row ``first`` on."""
        found = [np.empty(0, np.int64)]
        begun = self.starts[shard]
        for number, (start, stop) in enumerate(self.windows(shard)):
            begin, end = (
                min(max(begun + at, start), stop) - start for at in (first, first + count)
            )
            if begin < end:
                runs = self.runs(start, stop)
                rows = [np.arange(r.start, r.stop) + self.blocks.bounds[r.block] for r in runs]
                order = self.window_permutation(shard, number, stop - start)
                found.append(np.concatenate(rows)[order][begin:end])
        return np.concatenate(found)
