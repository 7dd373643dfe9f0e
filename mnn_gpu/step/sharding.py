"""Assignment of a batch's shards to ranks."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

from mnn_gpu.step.execution import AllReduce
from mnn_gpu.step.microbatches import even_start, part_of, shard_slices
from mnn_gpu.step.tree_sum import Branch, leaves, roots

AT_ONCE = 8
"""Number of shard gradients kept until they are summed; a power of 2."""


@dataclass(frozen=True)
class BatchSharding:
    """How each batch is split into shards, and which of them belong to this rank.

    The shards, their sizes and the order of summation depend only on ``shards`` and the
    batch. So the result does not depend on the number of ranks.

    Attributes
    ----------
    shards : int
        Number of shards per batch, of nearly equal size.
    rank, ranks : int
        This process's rank, and the number of processes.
    is_wide : bool
        Whether gradients are summed in float64.
    exchange : callable or None
        See `execution.AllReduce`; None if there is only one rank.
    """

    shards: int
    rank: int = 0
    ranks: int = 1
    is_wide: bool = True
    exchange: AllReduce | None = None

    def of(self, rank: int) -> range:
        """Return the shards of a rank."""
        return part_of(self.shards, rank, self.ranks)

    def own_of(self, count: int) -> range:
        """Return this rank's part of ``count`` items of another kind."""
        return part_of(count, self.rank, self.ranks)

    @property
    def mine(self) -> range:
        return self.of(self.rank)

    def branches_of(self, rank: int) -> list[Branch]:
        """Return the branches of the tree whose sums a rank contributes."""
        own = self.of(rank)
        return roots(leaves(own.start, own.stop))

    def groups(self) -> list[range]:
        """Return this rank's shards in groups that are processed and summed one by one."""
        first, stop = self.mine.start, self.mine.stop
        ends = [*range((first // AT_ONCE + 1) * AT_ONCE, stop, AT_ONCE), stop]
        return [range(a, b) for a, b in pairwise([first, *ends])]

    def parts(self, m: int) -> list[slice]:
        """Return the samples of each of this rank's shards, for a batch of m."""
        starts = [even_start(m, self.shards, i) for i in range(self.mine.start, self.mine.stop + 1)]
        return [slice(start, stop) for start, stop in pairwise(starts)]

    def own_rows(self, m: int) -> slice:
        """Return this rank's samples of a batch of m."""
        parts = self.parts(m)
        return slice(parts[0].start, parts[-1].stop)

    def runs(self, m: int, shard_rows: int) -> list[slice]:
        """Return this rank's samples of a batch of m, in slices of at most ``shard_rows``."""
        own = self.own_rows(m)
        return [
            slice(own.start + run.start, own.start + run.stop)
            for shard in shard_slices(own.stop - own.start, len(self.mine), shard_rows)
            for run in shard
        ]

    def length(self, numbers: int) -> int:
        """Return the padded length of a vector of ``numbers``, so that it divides evenly."""
        return -(-numbers // self.ranks) * self.ranks
