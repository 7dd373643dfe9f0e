"""Who works on which shards of a batch: one process on all of them, or many on some each."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

from mnn_gpu.step.execution import AllReduce
from mnn_gpu.step.microbatches import even_start, part_of, shard_slices
from mnn_gpu.step.tree_sum import Branch, leaves, roots

AT_ONCE = 8
"""So many shards' gradients are kept until they are added up together; a power of 2."""


@dataclass(frozen=True)
class BatchSharding:
    """How each batch is cut into shards, and which of them this rank works on.

    The shards, their sizes and the order in which their sums are added up depend on
    ``shards`` and the batch alone. So the result does not depend on the number of ranks.

    Attributes
    ----------
    shards : int
        Of a batch, as even as can be.
    rank, ranks : int
        Which of how many processes this is.
    is_wide : bool
        Whether sums are added up in float64.
    exchange : callable or None
        See `execution.AllReduce`; None where there is no other rank.
    """

    shards: int
    rank: int = 0
    ranks: int = 1
    is_wide: bool = True
    exchange: AllReduce | None = None

    def of(self, rank: int) -> range:
        """Return the shards that a rank works on."""
        return part_of(self.shards, rank, self.ranks)

    def own_of(self, count: int) -> range:
        """Return which of so many other things are this rank's."""
        return part_of(count, self.rank, self.ranks)

    @property
    def mine(self) -> range:
        return self.of(self.rank)

    def branches_of(self, rank: int) -> list[Branch]:
        """Return the branches of the tree whose sums a rank has to give."""
        own = self.of(rank)
        return roots(leaves(own.start, own.stop))

    def groups(self) -> list[range]:
        """Return this rank's shards in runs that are worked on and added up one by one."""
        first, stop = self.mine.start, self.mine.stop
        ends = [*range((first // AT_ONCE + 1) * AT_ONCE, stop, AT_ONCE), stop]
        return [range(a, b) for a, b in pairwise([first, *ends])]

    def parts(self, m: int) -> list[slice]:
        """Return which samples of a batch of m are in each of this rank's shards."""
        starts = [even_start(m, self.shards, i) for i in range(self.mine.start, self.mine.stop + 1)]
        return [slice(start, stop) for start, stop in pairwise(starts)]

    def own_rows(self, m: int) -> slice:
        """Return which samples of a batch of m are this rank's."""
        parts = self.parts(m)
        return slice(parts[0].start, parts[-1].stop)

    def runs(self, m: int, shard_rows: int) -> list[slice]:
        """Return which samples of m are worked on here, at most ``shard_rows`` at a time."""
        own = self.own_rows(m)
        return [
            slice(own.start + run.start, own.start + run.stop)
            for leaf in shard_slices(own.stop - own.start, len(self.mine), shard_rows)
            for run in leaf
        ]

    def length(self, numbers: int) -> int:
        """Return how long a vector of so many numbers is to be, for parts of one length."""
        return -(-numbers // self.ranks) * self.ranks
