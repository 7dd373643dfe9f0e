"""A folder with the last two snapshots of a long computation.

Each snapshot is a numbered file, written atomically; the older one is kept until the newer
one is on disk.
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
    """A folder of snapshots, locked against other runs while it is open.

    Parameters
    ----------
    folder : path
        Created if it is missing.

    Raises
    ------
    OutputError
        If the folder cannot be written to.
    UsageError
        If another run has locked it.
    """

    def __init__(self, folder: str | Path) -> None:
        if not isinstance(folder, str | Path) or not str(folder) or "\0" in str(folder):
            raise UsageError(f"checkpoint is {folder!r}.", "Give the name of a folder.")
        self.folder = Path(folder)
        self.failed = False
        check_writable(self.folder / "checkpoint", make_folder=True)
        self.lock = FolderLock(self.folder)
        for torn in self.folder.glob(f".{PATTERN}.*"):  # Left by a run that was killed.
            _remove(torn)

    def __enter__(self: S) -> S:
        return self

    def __exit__(self, *_: object) -> None:
        self.lock.close()

    def paths(self) -> list[Path]:
        """Return the snapshots in the folder, newest first; other files are ignored."""
        named = [path for path in self.folder.glob(PATTERN) if number_of(path) is not None]
        return sorted(named, key=lambda path: number_of(path) or 0, reverse=True)

    def check_free(self, how_to_resume: str) -> None:
        """Check that the folder holds no snapshot that starting over would lose.

        Raises
        ------
        UsageError
        """
        if paths := self.paths():
            raise UsageError(
                f"{paths[0]} already exists.",
                f"Resume from it with {how_to_resume}, or remove it to start over.",
            )

    def check_space(self, size: int) -> None:
        """Check that the disk has space for all snapshots kept, of ``size`` bytes each.

        Raises
        ------
        OutputError
        """
        there = sum(path.lstat().st_size for path in self.paths())
        check_space(self.folder, (KEPT + 1) * size - there)

    def write(self, number: int, content: bytes) -> None:
        """Write a snapshot and remove all older ones but one.

        A snapshot with a higher number was damaged; it is kept for inspection. A full disk
        does not end the run: the earlier snapshots stay, and a `TrainingWarning` is issued
        once. A link or a pipe with the snapshot's name is replaced, not followed.
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
                    f"{cause} Training continues; the previous checkpoint is kept.",
                    TrainingWarning,
                    stacklevel=3,
                )
            self.failed = True

    def newest(self, read: Callable[[Path], T]) -> T | None:
        """Return what ``read`` returns for the newest intact file, or None without any file.

        Parameters
        ----------
        read : callable
            Raises a plain ValueError if a file is damaged.

        Raises
        ------
        ModelFileError
            If all files are damaged.
        """
        paths = self.paths()
        faults = []
        for path in paths:
            try:
                return read(path)
            except (UsageError, ModelFileError):
                raise
            except ValueError as error:
                faults.append(f"{path} is not a complete checkpoint ({error}).")
                if path != paths[-1]:
                    warnings.warn(f"{faults[-1]} Using the previous one.", TrainingWarning, 3)
        if faults:
            raise ModelFileError(faults[0], "Remove it to start over.")
        return None


def _remove(path: Path) -> None:
    """Remove a file, unless it no longer exists or is a folder."""
    if not path.is_dir() or path.is_symlink():
        path.unlink(missing_ok=True)


def number_of(path: Path) -> int | None:
    """Return the number in a snapshot's name, or None for any other file."""
    found = re.fullmatch(r"checkpoint-(\d{9,18})\.safetensors", path.name)
    return int(found[1]) if found else None
