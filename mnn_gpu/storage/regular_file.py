"""Opening regular files only: pipes and devices could block or never end."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path
from typing import IO, Any

WITHOUT_WAITING = getattr(os, "O_NONBLOCK", 0)
"""If a pipe replaces the file between the check and the opening, opening it does not block."""
NOT_FOLLOWED = getattr(os, "O_NOFOLLOW", 0)


def check_regular(path: Path) -> os.stat_result:
    """Return the status of a regular file without opening it; links are followed.

    Raises
    ------
    OSError
        If the file does not exist, the path is a folder, a pipe, a device or a socket, or
        the name is not valid.
    """
    try:
        status = path.stat()
    except ValueError as error:
        raise OSError(errno.EINVAL, str(error), str(path)) from error
    if stat.S_ISDIR(status.st_mode):
        raise IsADirectoryError(errno.EISDIR, "It is a folder", str(path))
    if not stat.S_ISREG(status.st_mode):
        raise OSError(errno.EINVAL, "It is not a regular file", str(path))
    return status


def open_regular(path: Path, buffering: int = -1) -> IO[Any]:
    """Open a regular file for reading in binary mode; raises as `check_regular` does."""
    check_regular(path)
    return open(path, "rb", buffering, opener=_opened)


def open_own(path: Path) -> IO[bytes]:
    """Open a regular file for appending, creating it if missing; links are not followed.

    Raises
    ------
    OSError
        Also if the path is a link, a pipe or another special file.
    """
    if path.is_symlink():
        raise OSError(errno.ELOOP, "It is a link", str(path))
    if path.exists():
        check_regular(path)
    return open(path, "ab", opener=_own)


def _opened(name: str, flags: int) -> int:
    return os.open(name, flags | WITHOUT_WAITING)


def _own(name: str, flags: int) -> int:
    return os.open(name, flags | WITHOUT_WAITING | NOT_FOLLOWED, 0o666)
