"""Writing files so that nothing is lost: whole or not at all."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from mnn_gpu.errors import OutputError

CURE = "Make the folder, free some space, or choose another place."


def check_writable(path: str | Path) -> None:
    """See, before hours of work, that a file can be written at ``path``.

    Raises
    ------
    OutputError
        If its folder is missing or cannot be written to, or the path is a folder.
    """
    path = Path(path)
    if path.is_dir():
        raise OutputError(f"{path} is a folder.", "Give the name of a file in it.")
    try:
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}."):
            pass
    except OSError as error:
        raise OutputError(f"{path} cannot be written: {_reason(error)}.", CURE) from error


def write_atomically(path: str | Path, content: bytes) -> None:
    """Write a file beside its place, flush it to the disk, and rename it there.

    Raises
    ------
    OutputError
        If it cannot be written; what was there before is then still there.
    """
    path = Path(path)
    try:
        temporary = _write_beside(path, content)
        try:
            os.replace(temporary, path)
        except BaseException:
            os.unlink(temporary)
            raise
    except OSError as error:
        raise OutputError(f"{path} cannot be written: {_reason(error)}.", CURE) from error


def _write_beside(path: Path, content: bytes) -> str:
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o666 & ~_umask())
    except BaseException:
        os.unlink(temporary)
        raise
    return temporary


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _reason(error: OSError) -> str:
    return error.strerror or str(error)
