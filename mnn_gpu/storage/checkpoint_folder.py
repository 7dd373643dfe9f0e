"""The last two snapshots of something long, in a folder of their own.

Each is a file named after a number, whole or not there; the older one stays until the newer
is on the disk.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from mnn_gpu.errors import ModelFileError, OutputError, TrainingWarning, UsageError
from mnn_gpu.storage.atomic_write import check_space, check_writable, write_atomically
from mnn_gpu.storage.folder_lock import FolderLock

T = TypeVar("T")
S = TypeVar("S", bound="SnapshotFolder")

PATTERN = "checkpoint*.safetensors"
KEPT = 2


class SnapshotFolder:
    """A folder of snapshots, held against other runs while it is open.

    Parameters
    ----------
    folder : path
        Made if it is missing.

    Raises
    ------
    OutputError
        If the folder cannot be written to.
    UsageError
        If another run holds it.
    """

    def __init__(self, folder: str | Path) -> None:
        if not isinstance(folder, str | Path) or not str(folder) or "\0" in str(folder):
            raise UsageError(f"checkpoint is {folder!r}.", "Give the name of a folder.")
        self.folder = Path(folder)
        self.failed = False
        check_writable(self.folder / "checkpoint", make_folder=True)
        self.lock = FolderLock(self.folder)
        for torn in self.folder.glob(f".{PATTERN}.*"):  # Of a run that was killed.
            _remove(torn)

    def __enter__(self: S) -> S:
        return self

    def __exit__(self, *_: object) -> None:
        self.lock.close()

    def paths(self) -> list[Path]:
        """Return the snapshots in the folder, the newest first; other files are left alone."""
        named = [path for path in self.folder.glob(PATTERN) if number_of(path) is not None]
        return sorted(named, key=lambda path: number_of(path) or 0, reverse=True)

    def check_free(self, how_to_resume: str) -> None:
        """See that there is nothing that would be lost by beginning anew.

        Raises
        ------
        UsageError
        """
        if paths := self.paths():
            raise UsageError(
                f"{paths[0]} is there already.",
                f"Go on from it with {how_to_resume}, or remove it to start anew.",
            )

    def check_space(self, size: int) -> None:
        """See that the disk holds as many snapshots of so many bytes as there ever are.

        Raises
        ------
        OutputError
        """
        there = sum(path.lstat().st_size for path in self.paths())
        check_space(self.folder, (KEPT + 1) * size - there)

    def write(self, number: int, content: bytes) -> None:
        """Write a snapshot and forget all older ones but one.

        (One with a higher number was damaged; it stays, to be looked at.) A disk that is
        full ends no training: then what was there before stays, and a `TrainingWarning`
        says so, once. A link or a pipe of the snapshot's name is replaced, not followed.
        """
        try:
            path = self.folder / f"checkpoint-{number:09d}.safetensors"
            write_atomically(path, content, follow=False)
            older = [path for path in self.paths() if (number_of(path) or 0) < number]
            for old in older[KEPT - 1 :]:
                _remove(old)
            self.failed = False
        except OSError as error:
            if not self.failed:
                cause = error.cause if isinstance(error, OutputError) else f"{error}."
                warnings.warn(
                    f"{cause} The training goes on, with the checkpoint of before.",
                    TrainingWarning,
                    stacklevel=3,
                )
            self.failed = True

    def newest(self, read: Callable[[Path], T]) -> T | None:
        """Return what is read from the newest file that is whole, None if there is no file.

        Parameters
        ----------
        read : callable
            Raises a plain ValueError if a file is not whole.

        Raises
        ------
        ModelFileError
            If all that is there is damaged.
        """
        paths = self.paths()
        faults = []
        for path in paths:
            try:
                return read(path)
            except (UsageError, ModelFileError):
                raise
            except ValueError as error:
                faults.append(f"{path} is not a whole checkpoint ({error}).")
                if path != paths[-1]:
                    warnings.warn(f"{faults[-1]} Taking the one before.", TrainingWarning, 3)
        if faults:
            raise ModelFileError(faults[0], "Remove it to start anew.")
        return None


def _remove(path: Path) -> None:
    """Remove a file, unless it is gone already or a folder, which is left alone."""
    if not path.is_dir() or path.is_symlink():
        path.unlink(missing_ok=True)


def number_of(path: Path) -> int | None:
    """Return the number that a snapshot is named after, None of another file."""
    found = re.fullmatch(r"checkpoint-(\d{9,18})\.safetensors", path.name)
    return int(found[1]) if found else None
