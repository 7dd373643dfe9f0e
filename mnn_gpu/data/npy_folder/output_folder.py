"""The folder that a conversion writes to: held while it runs, cleared where it fails."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from mnn_gpu.data.npy_folder.index import INDEX
from mnn_gpu.errors import OutputError
from mnn_gpu.storage.atomic_write import explained
from mnn_gpu.storage.folder_lock import NAME as LOCK
from mnn_gpu.storage.folder_lock import FolderLock

OURS = re.compile(rf"(images|labels)-\d{{5,}}\.npy(\.part)?|\.{re.escape(INDEX)}\..*")


@contextmanager
def output_folder(folder: Path) -> Iterator[None]:
    """Hold a folder to write converted data to.

    A process that is killed leaves files without an index, which are not taken for data; the
    lock that lies beside them tells the next conversion that it may begin anew. Where the
    body raises, what it wrote is removed.

    Parameters
    ----------
    folder : Path
        Made if it is missing; empty, or holding an unfinished conversion.

    Raises
    ------
    OutputError
        If the folder holds something else or cannot be written to.
    UsageError
        If another conversion writes to it.
    """
    with explained(folder):
        made = not folder.exists()
        folder.mkdir(parents=True, exist_ok=True)
        _check_free(folder)
    lock = FolderLock(folder)
    try:
        with explained(folder):
            # What another conversion, now at its end, has written in the meantime.
            _check_free(folder)
            _clear(folder)
            yield
    except BaseException:
        with suppress(OSError):
            if not (folder / INDEX).exists():
                _clear(folder)
            lock.close()
            (folder / LOCK).unlink(missing_ok=True)
            if made:
                folder.rmdir()
        raise
    finally:
        lock.close()
    with suppress(OSError):
        (folder / LOCK).unlink(missing_ok=True)


def is_unfinished(folder: Path) -> bool:
    """Return whether a folder holds nothing but what a killed conversion left.

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
            "Give a folder that is empty or not there yet, or remove what is in it.",
        )


def _clear(folder: Path) -> None:
    """Remove what a conversion wrote, all but the lock."""
    for path in folder.iterdir():
        if OURS.fullmatch(path.name):
            path.unlink()
