"""Where mpiexec is: the one that came with the environment's MPI, or the system's."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

VARIABLE = "MNN_MPIEXEC"
"""Names another launcher, with its options."""


def launcher() -> list[str]:
    """Return the command that starts ranks; ``-n N COMMAND`` follows.

    Raises
    ------
    FileNotFoundError
        If there is none.
    """
    if told := os.environ.get(VARIABLE):
        return told.split()
    folder = Path(sys.executable).parent
    found = shutil.which("mpiexec", path=f"{folder}{os.pathsep}{os.environ.get('PATH', '')}")
    if found is None:
        raise FileNotFoundError("There is no mpiexec: install the extra mpi-local.")
    return [found]
