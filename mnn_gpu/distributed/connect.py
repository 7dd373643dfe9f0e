"""The ranks of a communicator."""

from __future__ import annotations

from typing import Any

from mnn_gpu.distributed.process_group import Ranks


def ranks_of(comm: Any) -> Ranks:
    """Return the ranks of a communicator of mpi4py's, this process alone if it is None."""
    if comm is None:
        return Ranks()
    if isinstance(comm, Ranks):
        return comm
    from mnn_gpu.distributed.mpi import MpiRanks

    return MpiRanks(comm)
