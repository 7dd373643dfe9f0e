"""The output folder of a conversion: locked while it runs, cleared if it fails."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from mnn_gpu.data.npy_folder.index import INDEX
from mnn_gpu.errors import OutputError
from mnn_gpu.storage.atomic_write import raise_output_errors
from mnn_gpu.storage.folder_lock import NAME as LOCK
from mnn_gpu.storage.folder_lock import FolderLock

OURS = re.compile(rf"(images|labels)-\d{{5,}}\.npy(\.part)?|\.{re.escape(INDEX)}\..*")


@contextmanager
def output_folder(folder: Path) -> Iterator[None]:
    """Lock a folder to write converted data to.

    A process that is killed leaves files without an index, which are not accepted as data; the
    lock file shows the next conversion that it may start over. If the body raises, the files
    written are removed.

    Parameters
    ----------
    folder : Path
        Created if it is missing; must be empty, or contain an unfinished conversion.

    Raises
    ------
    OutputError
        If the folder contains other files or is not writable.
    UsageError
        If another conversion is writing to it.
    """
    with raise_output_errors(folder):
        made = _made(folder)
        _check_free(folder)
    lock = FolderLock(folder)
    if not (lock.held or made):
        lock.close()
        raise OutputError(
            f"{folder} exists and cannot be locked: another conversion may be using it.",
            "Give a folder that does not exist, or remove this one.",
        )
    try:
        with raise_output_errors(folder):
            # Remove what another conversion, just ended, has written in the meantime.
            _check_free(folder)
            _clear(folder)
        yield
    except BaseException:
        with suppress(OSError):
            if not (folder / INDEX).exists():
                _clear(folder)
        lock.remove()
        with suppress(OSError):
            if made:
                folder.rmdir()
        raise
    lock.remove()


def _made(folder: Path) -> bool:
    """Make a folder; return whether it did not exist, also if another conversion made it."""
    try:
        folder.mkdir(parents=True)
    except FileExistsError:
        if folder.is_dir():
            return False
        raise
    return True


def is_unfinished(folder: Path) -> bool:
    """Return whether a folder contains only what a killed conversion left.

    Raises
    ------
    OSError
    """
    names = {path.name for path in folder.iterdir()}
    return LOCK in names and all(OURS.fullmatch(name) for name in names - {LOCK})


def _check_free(folder: Path) -> None:
    if any(folder.iterdir()) and not is_unfinished(folder):
        raise OutputError(
            f"{folder} is not empty.",
            "Give a folder that is empty or does not exist, or remove its content.",
        )


def _clear(folder: Path) -> None:
    """Remove all files of a conversion except the lock."""
    for path in folder.iterdir():
        if OURS.fullmatch(path.name):
            path.unlink()
