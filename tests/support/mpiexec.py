"""The command that starts ranks, from this environment or the system, and its MPI library."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

VARIABLE = "MNN_MPIEXEC"
"""Environment variable for another launcher, with its options."""
PROGRAM = (sys.executable, "-m", "mnn_gpu")


def launcher() -> list[str]:
    """Return the command that starts ranks; ``-n N COMMAND`` follows.

    Raises
    ------
    FileNotFoundError
        If there is none.
    """
    if given := os.environ.get(VARIABLE):
        return given.split()
    folder = Path(sys.executable).parent
    found = shutil.which("mpiexec", path=f"{folder}{os.pathsep}{os.environ.get('PATH', '')}")
    if found is None:
        raise FileNotFoundError("There is no mpiexec: install the extra mpi-local.")
    return [found]


def command(ranks: int, *arguments: str) -> list[str]:
    """Return the command of ``mnn-gpu`` on N ranks, 0 for one process without MPI."""
    return [*([*launcher(), "-n", str(ranks)] if ranks else []), *PROGRAM, *arguments]


def library() -> str:
    """Return the name and the version of the MPI library."""
    words = [sys.executable, "-m", "mpi4py", "--mpi-lib-version"]
    first, *_ = subprocess.check_output(words, text=True).split("\n")
    return " ".join(first.partition(",")[0].replace("Version:", "").split())
