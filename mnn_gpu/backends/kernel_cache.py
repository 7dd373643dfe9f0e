"""The folder in which CuPy keeps compiled kernels."""

from __future__ import annotations

import os
import stat
import tempfile
from pathlib import Path

FOLDER, IN_MEMORY = "CUPY_CACHE_DIR", "CUPY_CACHE_IN_MEMORY"
"""CuPy's environment variables."""


def ensure_kernel_cache() -> None:
    """Let CuPy keep kernels in a temporary folder if it cannot write to its own.

    It would fail otherwise, for example where the home directory is read-only. Without a temporary
    folder, the kernels are kept in memory. Must be called before CuPy is imported.
    """
    folder = os.environ.get(FOLDER) or Path.home() / ".cupy" / "kernel_cache"
    if os.environ.get(IN_MEMORY) == "1" or _is_writable(Path(folder)):
        return
    temporary = _temporary()
    if _is_writable(temporary) and _is_private(temporary):
        os.environ[FOLDER] = str(temporary)
    else:
        os.environ[IN_MEMORY] = "1"
        os.environ[FOLDER] = tempfile.gettempdir()


def has_kernels() -> bool:
    """Return whether there are compiled kernels, CuPy's or those of other programs, on the disk."""
    own = os.environ.get(FOLDER) or Path.home() / ".cupy" / "kernel_cache"
    return any(file for folder in (Path(own), _temporary()) for file in folder.glob("*.cubin"))


def _temporary() -> Path:
    """Return the folder for kernels where CuPy cannot write to its own."""
    name = f"mnn-gpu-kernels-{os.getuid()}" if hasattr(os, "getuid") else "mnn-gpu-kernels"
    return Path(tempfile.gettempdir()) / name


def _is_writable(folder: Path) -> bool:
    """Return whether files can be created in a folder, which is made if it does not exist."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return True
    except OSError:
        return False


def _is_private(folder: Path) -> bool:
    """Return whether only this user can write to a folder: its kernels are executed."""
    if not hasattr(os, "getuid"):
        return True
    found = folder.lstat()
    is_own = stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid()
    return is_own and not found.st_mode & 0o022
