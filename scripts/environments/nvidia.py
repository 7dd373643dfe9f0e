"""Which CuPy fits the NVIDIA driver of this machine, and the environment without one."""

from __future__ import annotations

import shutil
from pathlib import Path

from scripts.environments.environment import Environment, SetupError

NO_DEVICE = 3
TURING = 7.5
EXTRAS = ("cuda13-ctk", "cuda12-ctk")


def cupy_extra() -> str:
    """Return the extra that installs the fitting CuPy; empty without an NVIDIA driver."""
    for extra in EXTRAS:
        if Environment(extras=[extra]).is_set_up():
            return extra
    if shutil.which("nvidia-smi") is None:
        return ""
    import re

    cuda = re.search(r"CUDA Version: *(\d+)", _nvidia_smi())
    if not cuda:
        return ""
    # CUDA 13 needs a driver that supports it and GPUs of the Turing generation or newer.
    listed = _nvidia_smi("--query-gpu=compute_cap", "--format=csv,noheader")
    oldest = min(map(float, re.findall(r"\d+\.\d+", listed)), default=TURING)
    return EXTRAS[0] if int(cuda[1]) >= 13 and oldest >= TURING else EXTRAS[1]


def _nvidia_smi(*arguments: str) -> str:
    import subprocess

    command = ["nvidia-smi", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout


def python_with_cupy(first: Path) -> Path | None:
    """Return a Python that has CuPy and what the check of a GPU needs, or None."""
    import subprocess

    needs = "import cupy, array_api_compat, pytest"
    for python in (first, shutil.which("python3"), shutil.which("python")):
        if python and Path(python).exists():
            done = subprocess.run([python, "-c", needs], capture_output=True, check=False)
            if done.returncode == 0:
                return Path(python)
    return None


def standin_environment() -> Environment:
    """Set up an environment with CuPy and without any of CUDA's libraries."""
    if shutil.which("g++") is None:
        raise SetupError(
            "the CUDA stand-in is compiled by g++, which was not found.",
            "on Debian and Ubuntu run apt install g++.",
            NO_DEVICE,
        )
    # Without its extra ctk the wheel brings none of CUDA's libraries, as it must not here.
    environment = Environment(".venv-standin", ["test"], ["cupy-cuda13x>=14,<15"])
    try:
        environment.set_up()
    except SetupError as error:
        raise SetupError(
            f"no CuPy wheel could be installed into {environment.folder}.",
            "use Linux on x86-64 with a Python that CuPy has wheels for.",
            NO_DEVICE,
        ) from error
    return environment
