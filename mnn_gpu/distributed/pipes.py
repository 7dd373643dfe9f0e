"""What a rank wrote last: its launcher drops what it has not read when the job is aborted."""

from __future__ import annotations

import os
import stat
import sys
import time

SECONDS = 2.0
"""For which a launcher that does not read is waited for."""


def wait_until_read(descriptor: int, seconds: float = SECONDS) -> None:
    """Wait until the reader of a pipe has taken all of it; anything but a pipe is left alone.

    Parameters
    ----------
    descriptor : int
        Of the end that is written to.
    seconds : float
        The longest wait.
    """
    if sys.platform == "win32":
        return
    until = time.monotonic() + seconds
    try:
        if stat.S_ISFIFO(os.fstat(descriptor).st_mode):
            while _unread(descriptor) and time.monotonic() < until:
                time.sleep(0.001)
    except OSError:  # Closed, or a system that does not say.
        return


def _unread(descriptor: int) -> int:
    """Return how many bytes of a pipe nobody has read yet."""
    from fcntl import ioctl
    from termios import FIONREAD

    return int.from_bytes(ioctl(descriptor, FIONREAD, bytes(4)), sys.byteorder)
