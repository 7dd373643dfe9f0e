"""Start of MPI under a launcher, with checks, before NumPy is loaded and uses all processors."""

from __future__ import annotations

import os
import sys
import warnings
from typing import Any

from mnn_gpu.distributed.launcher import Launch
from mnn_gpu.distributed.timeout import kill_after, timeout
from mnn_gpu.errors import LaunchError
from mnn_gpu.utils.packages import PACKAGES
from mnn_gpu.utils.threads import thread_count, usable_cores


def world(launch: Launch) -> Any:
    """Return the communicator of all ranks started by a launcher, after checking their number.

    If NumPy is not loaded yet, the machine's threads are divided among its ranks.

    Raises
    ------
    LaunchError
        If MPI is missing, or does not know this launcher's ranks: each would do all the work,
        and they would overwrite each other's files.
    """
    try:
        with warnings.catch_warnings():
            # If launcher and library do not match, the check below reports it with a cure.
            warnings.simplefilter("ignore", RuntimeWarning)
            # MPI_Init waits for all ranks, and holds the GIL.
            with kill_after(timeout()):
                from mpi4py import MPI
    except ImportError as error:
        raise LaunchError(
            f"A launcher started this process as one of {launch.size or 'several'} ranks, but "
            f"mpi4py cannot be imported ({error}).",
            'Run pip install "mnn_gpu[mpi]" if there is an MPI library, else '
            '"mnn_gpu[mpi-local]", which includes one.',
        ) from error
    except RuntimeError as error:
        reason = str(error).splitlines()[0]
        raise LaunchError(
            f"mpi4py finds no MPI library ({reason}).",
            'Load the MPI module of the cluster, or run pip install "mnn_gpu[mpi-local]".',
        ) from error
    if problem := PACKAGES["mpi4py"].problem(sys.modules["mpi4py"].__version__):
        raise LaunchError(
            f"Several ranks need {problem}.", 'Run pip install --force-reinstall "mpi4py>=4,<5".'
        )
    if launch.size is not None and launch.size != MPI.COMM_WORLD.size:
        raise LaunchError(
            f"The launcher started {launch.size} ranks, but MPI has {MPI.COMM_WORLD.size}.",
            "Start them with the mpiexec that belongs to mpi4py's MPI library (python -m mpi4py "
            "--mpi-lib-version names it), or with srun --mpi=pmix or --mpi=pmi2.",
        )
    # A collective call: all ranks take part, whatever each has loaded.
    _, processes_per_node = on_this_machine(MPI.COMM_WORLD)
    if "numpy" not in sys.modules:
        os.environ.setdefault("OMP_NUM_THREADS", str(thread_count(processes_per_node)))
    return MPI.COMM_WORLD


def on_this_machine(comm: Any) -> tuple[int, int]:
    """Return this rank's index on its machine, and how many ranks share its processors."""
    from mpi4py import MPI

    machine = comm.Split_type(MPI.COMM_TYPE_SHARED)
    mine = usable_cores()
    processes_per_node = sum(bool(mine & others) for others in machine.allgather(mine))
    local_rank: int = machine.rank
    machine.Free()
    return local_rank, processes_per_node
