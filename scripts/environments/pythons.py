"""The Pythons of this machine."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from scripts.environments.environment import SetupError

NO_PYTHON = 3


def find_python(version: str = "") -> str:
    """Return a Python of a version such as ``"3.12"``; without a version, this one.

    Raises
    ------
    SetupError
        If there is none; its exit code is 3.
    """
    if not version:
        return sys.executable
    for python in _candidates(version):
        if _version(python) == version:
            return python
    raise SetupError(
        f"no Python {version} was found.",
        "install it, from your system's packages, by pyenv or from python.org.",
        NO_PYTHON,
    )


def _candidates(version: str) -> Iterator[str]:
    yield sys.executable
    for name in (f"python{version}", "python3", "python"):
        if found := shutil.which(name):
            yield found
    if launcher := shutil.which("py"):  # Windows
        yield _output(launcher, f"-{version}", "-c", "import sys; print(sys.executable)")
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    yield from map(str, sorted(pyenv.glob(f"versions/{version}.*/bin/python"), reverse=True))


def _version(python: str) -> str:
    return _output(python, "-ISc", "import sys; print('%d.%d' % sys.version_info[:2])")


def _output(*command: str) -> str:
    """Return what a command prints, without blanks at its ends; nothing if it fails."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError:
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
