"""Locks of open files: by `fcntl`, or by `msvcrt` on Windows."""

from __future__ import annotations

import errno
import os
from importlib import import_module
from typing import IO, Any

try:
    fcntl: Any = import_module("fcntl")
except ImportError:  # Windows.
    fcntl = None

HELD = (errno.EACCES, errno.EAGAIN)
"""Numbers of the error if another process has locked the file; msvcrt raises the first."""


def lock(file: IO[bytes]) -> None:
    """Lock a file without waiting; the system releases it even if the process is killed.

    Raises
    ------
    OSError
        With a number in `HELD`, or if the file system does not support locks.
    """
    if fcntl is None:
        _lock_first_byte(file, "LK_NBLCK")
    else:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


def unlock(file: IO[bytes]) -> None:
    """Release a lock at once: after closing a file, Windows may take a while."""
    if fcntl is None:
        _lock_first_byte(file, "LK_UNLCK")
    else:
        fcntl.flock(file, fcntl.LOCK_UN)


def _lock_first_byte(file: IO[bytes], mode: str) -> None:
    """Lock or unlock by `msvcrt`: bytes from the current position, which need not exist."""
    msvcrt: Any = import_module("msvcrt")
    os.lseek(file.fileno(), 0, os.SEEK_SET)
    msvcrt.locking(file.fileno(), getattr(msvcrt, mode), 1)
