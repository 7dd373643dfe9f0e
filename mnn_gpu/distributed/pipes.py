"""Flush a rank's last output: a launcher drops unread output when the job is aborted."""

from __future__ import annotations

import os
import stat
import sys
import time

SECONDS = 2.0
"""Maximum wait for a launcher that does not read."""


def wait_until_read(descriptor: int, seconds: float = SECONDS) -> None:
    """Wait until a pipe has been read completely; returns at once for anything but a pipe.

    Parameters
    ----------
    descriptor : int
        The write end.
    seconds : float
        Maximum wait.
    """
    if sys.platform == "win32":
        return
    until = time.monotonic() + seconds
    try:
        if stat.S_ISFIFO(os.fstat(descriptor).st_mode):
            while _unread(descriptor) and time.monotonic() < until:
                time.sleep(0.001)
    except OSError:  # Closed, or not supported by the system.
        return


def _unread(descriptor: int) -> int:
    """Return the number of unread bytes in a pipe."""
    from fcntl import ioctl
    from termios import FIONREAD

    return int.from_bytes(ioctl(descriptor, FIONREAD, bytes(4)), sys.byteorder)
