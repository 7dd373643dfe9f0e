"""A lock that allows one process at a time to use a folder."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import IO

from mnn_gpu.errors import OutputError, TrainingWarning, UsageError, warn
from mnn_gpu.storage.file_lock import HELD, lock, unlock
from mnn_gpu.storage.regular_file import open_own

NAME = ".lock"
TRIES = 10
"""Some file systems have no stable numbers of files: their lock never seems to be current."""


class FolderLock:
    """A lock on a folder; the system releases it even if the process is killed.

    Parameters
    ----------
    folder : Path

    Attributes
    ----------
    held : bool
        Whether the folder is locked; false on a file system without locks.

    Raises
    ------
    UsageError
        If another run has locked the folder.
    OutputError
        If the folder is not writable, or the lock file is a link or a special file.

    Warns
    -----
    TrainingWarning
        If the file system does not support locks.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / NAME
        self.held = True
        self._open_locked()
        tries = 1
        while not self._is_current() and tries < TRIES:
            self.close()
            self._open_locked()
            tries += 1

    def close(self) -> None:
        """Release the lock."""
        with suppress(OSError):
            if self.held and not self.file.closed:
                unlock(self.file)
        with suppress(OSError):
            self.file.close()

    def remove(self) -> None:
        """Remove the lock file and release the lock."""
        try:
            self.path.unlink(missing_ok=True)
        except OSError:  # Windows removes no open file, so that of another run stays too.
            self.close()
            with suppress(OSError):
                self.path.unlink()
        else:
            self.close()

    def _open_locked(self) -> None:
        try:
            self.file: IO[bytes] = open_own(self.path)
        except OSError as error:
            raise OutputError(
                f"{self.path} cannot be written: {error.strerror}.",
                "Remove it if no other run uses the folder, or choose another folder.",
            ) from error
        try:
            lock(self.file)
        except OSError as error:
            if error.errno in HELD:
                self.file.close()
                raise UsageError(
                    f"Another run is using the folder {self.path.parent}.",
                    "Wait until it has ended, or use another folder.",
                ) from error
            self.held = False  # A network file system without locks.
            warn(
                f"{self.path.parent} cannot be locked: {error.strerror}. Nothing prevents another "
                "run from writing to it at the same time.",
                TrainingWarning,
            )

    def _is_current(self) -> bool:
        """Return whether the file has not been removed by the run that had locked it before."""
        try:
            return os.path.samestat(os.fstat(self.file.fileno()), self.path.stat())
        except FileNotFoundError:
            return False
