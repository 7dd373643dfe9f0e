"""All-reduce of the ranks' sums: reduce-scatter, then all-gather.

Each rank sums one part of the vector; then all ranks gather all parts. This is the all-reduce
with the least communication, with a fixed order of summation between its two halves: that of
the tree of shards.

References
----------
Thakur, Rabenseifner, Gropp: Optimization of Collective Communication Operations in MPICH,
International Journal of High Performance Computing Applications 19 (2005).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from functools import cache
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
from array_api_compat import array_namespace

from mnn_gpu.backends import Backend
from mnn_gpu.step.execution import AllReduce
from mnn_gpu.step.microbatches import slices
from mnn_gpu.step.sharding import BatchSharding
from mnn_gpu.step.tree_sum import tree_sum

Array: TypeAlias = Any
NDArray: TypeAlias = npt.NDArray[Any]

BLOCK = 16384
"""Number of elements that are summed at a time, so that they stay in the cache."""


class PartwiseAllReduce(ABC):
    """An `execution.AllReduce` of sums of a dtype, independent of the transport."""

    def __init__(self, sharding: BatchSharding, dtype: str) -> None:
        self.rank, self.ranks = sharding.rank, sharding.ranks
        self.dtype = np.dtype(dtype)
        self.wide = np.result_type(dtype, np.float64) if sharding.is_wide else self.dtype
        branches = [sharding.branches_of(rank) for rank in range(self.ranks)]
        self.counts = [len(of_rank) for of_rank in branches]
        self.branches = [branch for of_rank in branches for branch in of_rank]
        if len(self.branches) == 2 and self.dtype == np.float32:
            # The sum of two float32 numbers, rounded to float64 and then to float32, equals the
            # sum rounded directly to float32 (Figueroa, SIGNUM Newsletter 30, 1995).
            self.wide = self.dtype

    def __call__(self, own: Sequence[Array], out: Array) -> None:
        part = out.shape[0] // self.ranks
        mine = out[self.rank * part : (self.rank + 1) * part]
        received = self.scatter(self._pack(own, part))
        for here in slices(part, self.block):
            self.sum_branches(received[:, here], mine[here])
        self.gather(out)

    block = 2**62

    @abstractmethod
    def scatter(self, packed: Array) -> Array:
        """Send each rank its part of this rank's branches, (ranks, branches, part).

        Returns
        -------
        (branches of all ranks, part)
            This rank's part of all branches.
        """

    @abstractmethod
    def gather(self, out: Array) -> None:
        """Gather all ranks' parts of a vector in place; this rank's part is already there."""

    def sum_branches(self, rows: Array, out: Array) -> None:
        """Write the sum of all ranks' branches, (branches, numbers), to ``out``, (numbers,)."""
        out[...] = tree_sum(self.branches, rows, self._add)

    def _pack(self, own: Sequence[Array], part: int) -> Array:
        """Return this rank's branches, (ranks, branches, part)."""
        xp = array_namespace(own[0])
        parts = [xp.astype(branch, self.dtype, copy=False) for branch in own]
        parts = [xp.reshape(branch, (self.ranks, 1, part)) for branch in parts]
        return parts[0] if len(parts) == 1 else xp.concat(parts, axis=1)

    def _add(self, left: Array, right: Array) -> Array:
        xp = array_namespace(left)
        return xp.astype(left, self.wide, copy=False) + xp.astype(right, self.wide, copy=False)


class HostAllReduce(PartwiseAllReduce):
    """All-reduce of arrays in host memory over an mpi4py communicator."""

    block = BLOCK

    def __init__(self, comm: Any, sharding: BatchSharding, dtype: str) -> None:
        super().__init__(sharding, dtype)
        self.comm = comm
        self.received: dict[int, NDArray] = {}

    def scatter(self, packed: NDArray) -> NDArray:
        part = packed.shape[2]
        if part not in self.received:
            self.received[part] = np.empty((len(self.branches), part), self.dtype)
        received = self.received[part]
        there = [part * packed.shape[1]] * self.ranks
        self.comm.Alltoallv([packed, there], [received, [part * n for n in self.counts]])
        return received

    def gather(self, out: NDArray) -> None:
        self.comm.Allgather(_in_place(), out)

    def sum_branches(self, rows: NDArray, out: NDArray) -> None:
        if len(rows) == 2:
            np.add(rows[0], rows[1], out=out, dtype=self.wide, casting="same_kind")
        else:
            super().sum_branches(rows, out)

    def _add(self, left: NDArray, right: NDArray) -> NDArray:
        return np.add(left, right, dtype=self.wide)


class StagedAllReduce:
    """All-reduce of device arrays through host memory, by an exchange of arrays there."""

    def __init__(self, exchange: AllReduce, backend: Backend) -> None:
        self.exchange = exchange
        self.backend = backend

    def __call__(self, own: Sequence[Array], out: Array) -> None:
        whole = np.empty(out.shape, self.backend.to_numpy(out[:0]).dtype)
        self.exchange([self.backend.to_numpy(branch) for branch in own], whole)
        out[...] = self.backend.asarray(whole)


@cache
def _in_place() -> Any:
    from mpi4py import MPI

    return MPI.IN_PLACE
