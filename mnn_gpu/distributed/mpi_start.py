"""MPI as a launcher started it, found whole, before NumPy is loaded and takes all processors."""

from __future__ import annotations

import os
import sys
import warnings
from typing import Any

from mnn_gpu.distributed.launcher import Launch
from mnn_gpu.distributed.patience import killed_after, patience
from mnn_gpu.errors import LaunchError
from mnn_gpu.utils.threads import usable_cores, wanted_threads


def world(launch: Launch) -> Any:
    """Return the communicator of all ranks that a launcher started; see that they are all there.

    If NumPy is not loaded yet, its threads are divided among the ranks of the machine.

    Raises
    ------
    LaunchError
        If there is no MPI, or one that does not know this launcher's ranks: they would all
        do the same and overwrite each other's files.
    """
    try:
        with warnings.catch_warnings():
            # Of a launcher and a library that do not belong together: seen, with a cure, below.
            warnings.simplefilter("ignore", RuntimeWarning)
            # MPI_Init waits for all ranks, and holds the GIL.
            with killed_after(patience()):
                from mpi4py import MPI
    except ImportError as error:
        raise LaunchError(
            f"A launcher started this process as one of {launch.size or 'several'} ranks, and "
            f"mpi4py cannot be imported ({error}).",
            'Run pip install "mnn_gpu[mpi]" where there is an MPI library, else '
            '"mnn_gpu[mpi-local]", which brings one.',
        ) from error
    except RuntimeError as error:
        reason = str(error).splitlines()[0]
        raise LaunchError(
            f"mpi4py finds no MPI library ({reason}).",
            'Load the MPI module of the cluster, or run pip install "mnn_gpu[mpi-local]".',
        ) from error
    if launch.size is not None and launch.size != MPI.COMM_WORLD.size:
        raise LaunchError(
            f"The launcher started {launch.size} ranks, and MPI knows of {MPI.COMM_WORLD.size}.",
            "Start them with the mpiexec that belongs to mpi4py's MPI library (python -m mpi4py "
            "--mpi-lib-version names it), or with srun --mpi=pmix or --mpi=pmi2.",
        )
    # All ranks ask, whatever each has loaded.
    _, processes_per_node = on_this_machine(MPI.COMM_WORLD)
    if "numpy" not in sys.modules:
        os.environ.setdefault("OMP_NUM_THREADS", str(wanted_threads(processes_per_node)))
    return MPI.COMM_WORLD


def on_this_machine(comm: Any) -> tuple[int, int]:
    """Return which rank of its machine this is, and how many of them share its processors."""
    from mpi4py import MPI

    machine = comm.Split_type(MPI.COMM_TYPE_SHARED)
    mine = usable_cores()
    processes_per_node = sum(bool(mine & others) for others in machine.allgather(mine))
    local_rank: int = machine.rank
    machine.Free()
    return local_rank, processes_per_node
