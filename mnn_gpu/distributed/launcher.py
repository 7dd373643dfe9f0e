"""Detection of a launcher such as mpiexec or srun, and of this process's rank.

Only the environment is read: a single process imports no MPI.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import NamedTuple

SIGNS = ("PMI_SIZE", "PMI_RANK", "OMPI_COMM_WORLD_SIZE", "PMIX_RANK")
"""Set by the mpiexec of MPICH and Intel MPI and by Slurm's PMI; by Open MPI's mpirun; by PMIx."""

SLURM_SIZE = "SLURM_STEP_NUM_TASKS"
"""Set by srun; unlike SLURM_NTASKS, which is also set for a single process in a batch script."""

SIZES = ("PMI_SIZE", "OMPI_COMM_WORLD_SIZE", SLURM_SIZE)
RANKS = ("PMI_RANK", "OMPI_COMM_WORLD_RANK", "PMIX_RANK", "SLURM_PROCID")


class Launch(NamedTuple):
    """A launcher's information about this process.

    Attributes
    ----------
    rank : int
        0 if unknown.
    size : int or None
        Number of ranks, None if unknown.
    """

    rank: int
    size: int | None


def launched(environment: Mapping[str, str] | None = None) -> Launch | None:
    """Return the launcher's information about this process, None without a launcher."""
    environment = os.environ if environment is None else environment
    size = _first_number(SIZES, environment)
    slurm = _first_number((SLURM_SIZE,), environment) or 0
    if slurm < 2 and not any(name in environment for name in SIGNS):
        return None
    return Launch(_first_number(RANKS, environment) or 0, size)


def _first_number(names: Sequence[str], environment: Mapping[str, str]) -> int | None:
    numbers = (environment.get(name, "") for name in names)
    return next((int(number) for number in numbers if number.isdecimal()), None)
