"""A lock between processes, by the standard library alone: one set-up of a folder at a time."""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from scripts.environments.environment import report

TERMINATED = 143

if sys.platform == "win32":
    import msvcrt

    def _lock(descriptor: int) -> None:
        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)

else:
    import fcntl

    def _lock(descriptor: int) -> None:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


@contextmanager
def alone(path: Path) -> Iterator[None]:
    """Hold the lock of a file until the block ends; wait while another process has it.

    SIGTERM raises SystemExit, so that pip is ended before the lock is.
    """
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(TERMINATED))
    with path.open("a", encoding="utf-8") as file:
        if not _locked(file.fileno()):
            report(f"Waiting for another process that sets up {path.stem} ...")
            while not _locked(file.fileno()):
                time.sleep(0.2)
        yield  # Closing the file unlocks it.


def _locked(descriptor: int) -> bool:
    try:
        _lock(descriptor)
    except (BlockingIOError, PermissionError):
        return False
    except OSError:
        return True  # A file system without locks: continue, as without another process.
    return True
