"""The ranks of a communicator."""

from __future__ import annotations

from typing import Any

from mnn_gpu.distributed.process_group import ProcessGroup


def ranks_of(comm: Any) -> ProcessGroup:
    """Return the ranks of a communicator of mpi4py's, this process alone if it is None."""
    if comm is None:
        return ProcessGroup()
    if isinstance(comm, ProcessGroup):
        return comm
    from mnn_gpu.distributed.mpi import MpiGroup

    return MpiGroup(comm)
