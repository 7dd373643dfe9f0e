"""A lock that allows one process at a time to use a folder."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import IO

from mnn_gpu.errors import OutputError, TrainingWarning, UsageError, warn
from mnn_gpu.storage.regular_file import open_own

try:
    import fcntl
except ImportError:  # Windows: folders are not locked there.
    fcntl = None  # type: ignore[assignment]

NAME = ".lock"


class FolderLock:
    """A lock on a folder; the system releases it even if the process is killed.

    Parameters
    ----------
    folder : Path

    Raises
    ------
    UsageError
        If another run has locked the folder.
    OutputError
        If the folder is not writable, or the lock file is a link or a special file.

    Warns
    -----
    TrainingWarning
        If the file system does not support locks; the folder is then not locked.
    """

    def __init__(self, folder: Path) -> None:
        path = folder / NAME
        try:
            self.file: IO[bytes] = open_own(path)
        except OSError as error:
            raise OutputError(
                f"{path} cannot be written: {error.strerror}.",
                "Remove it if no other run uses the folder, or choose another folder.",
            ) from error
        try:
            if fcntl is not None:
                fcntl.flock(self.file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            self.file.close()
            raise UsageError(
                f"Another run is using the folder {folder}.",
                "Wait until it has ended, or use another folder.",
            ) from error
        except OSError as error:  # A network file system without locks.
            warn(
                f"{folder} cannot be locked: {error.strerror}. Nothing prevents another run "
                "from writing to it at the same time.",
                TrainingWarning,
            )

    def close(self) -> None:
        """Release the lock."""
        with suppress(OSError):
            self.file.close()
