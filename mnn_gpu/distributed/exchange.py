"""How the ranks' sums come together: each adds up a part of the vector, then all get all parts.

These are the two halves of an all-reduce, which moves as little as any can, with an order of
adding of our own between them: that of the tree of shards.

References
----------
Thakur, Rabenseifner, Gropp: Optimization of Collective Communication Operations in MPICH,
International Journal of High Performance Computing Applications 19 (2005).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from mnn_gpu.shards import slices
from mnn_gpu.sharing import Sharing
from mnn_gpu.tree import total

NDArray = npt.NDArray[Any]

BLOCK = 16384
"""Numbers that are added up at a time, so that they stay in the cache."""


class HostExchange:
    """The exchange of arrays in the host's memory over MPI; see `engine.Exchange`.

    Parameters
    ----------
    comm : mpi4py.MPI.Comm
    sharing : Sharing
    dtype : str
        In which the sums of branches travel.
    """

    def __init__(self, comm: Any, sharing: Sharing, dtype: str) -> None:
        self.comm = comm
        self.rank, self.ranks = sharing.rank, sharing.ranks
        self.dtype = np.dtype(dtype)
        self.is_wide = sharing.is_wide
        branches = [sharing.branches_of(rank) for rank in range(self.ranks)]
        self.counts = [len(of_rank) for of_rank in branches]
        self.branches = [branch for of_rank in branches for branch in of_rank]
        self.buffers: dict[int, tuple[NDArray, NDArray]] = {}

    def __call__(self, own: Sequence[NDArray], out: NDArray) -> None:
        part = len(out) // self.ranks
        mine = out[self.rank * part : (self.rank + 1) * part]
        self._add_up(self._everyones(own, part), mine)
        self.comm.Allgather(self._in_place, out)

    @property
    def _in_place(self) -> Any:
        from mpi4py import MPI

        return MPI.IN_PLACE

    def _everyones(self, own: Sequence[NDArray], part: int) -> NDArray:
        """Return this rank's part of everyone's branches, (branches, part)."""
        packed, received = self._memory(part)
        if len(own) == 1 and own[0].dtype == self.dtype:
            packed = own[0]
        else:
            for place, branch in enumerate(own):
                packed[:, place, :] = branch.reshape(self.ranks, part)
        here, there = [part * len(own)] * self.ranks, [part * count for count in self.counts]
        self.comm.Alltoallv([packed, here], [received, there])
        return received

    def _memory(self, part: int) -> tuple[NDArray, NDArray]:
        if part not in self.buffers:
            self.buffers[part] = (
                np.empty((self.ranks, self.counts[self.rank], part), self.dtype),
                np.empty((len(self.branches), part), self.dtype),
            )
        return self.buffers[part]

    def _add_up(self, rows: NDArray, out: NDArray) -> None:
        dtype = np.result_type(rows, np.float64) if self.is_wide else rows.dtype

        def add(left: NDArray, right: NDArray) -> NDArray:
            return np.add(left, right, dtype=dtype)

        for here in slices(len(out), BLOCK):
            out[here] = total(self.branches, rows[:, here], add)
