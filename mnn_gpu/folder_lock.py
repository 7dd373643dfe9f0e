"""One process at a time in a folder."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import IO

from mnn_gpu.errors import OutputError, UsageError

try:
    import fcntl
except ImportError:  # Windows: there nothing is held, and nothing is refused.
    fcntl = None  # type: ignore[assignment]

NAME = ".lock"


class FolderLock:
    """A folder that is held while this is open; given free even by a process that is killed.

    Parameters
    ----------
    folder : Path

    Raises
    ------
    UsageError
        If another run holds it.
    OutputError
        If it cannot be written to.
    """

    def __init__(self, folder: Path) -> None:
        try:
            self.file: IO[bytes] = (folder / NAME).open("ab")
        except OSError as error:
            raise OutputError(
                f"{folder} cannot be written to: {error.strerror}.", "Choose another folder."
            ) from error
        try:
            if fcntl is not None:
                fcntl.flock(self.file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            self.file.close()
            raise UsageError(
                f"Another run is using the folder {folder}.",
                "Wait until it has ended, or take another folder.",
            ) from error
        except OSError:  # A network file system without locks.
            pass

    def close(self) -> None:
        """Give the folder free."""
        with suppress(OSError):
            self.file.close()
