"""The process group of a communicator."""

from __future__ import annotations

from typing import Any

from mnn_gpu.distributed.process_group import ProcessGroup


def ranks_of(comm: Any) -> ProcessGroup:
    """Return the process group of an mpi4py communicator; this process alone for None."""
    if comm is None:
        return ProcessGroup()
    if isinstance(comm, ProcessGroup):
        return comm
    from mnn_gpu.distributed.mpi import MpiGroup

    return MpiGroup(comm)
