"""Atomic writing of files: a file is written completely or not at all."""

from __future__ import annotations

import os
import secrets
import shutil
import tempfile
import time
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path

from mnn_gpu.errors import OutputError
from mnn_gpu.storage.descriptor import STDOUT, descriptor_of
from mnn_gpu.storage.os_errors import reason_of
from mnn_gpu.utils.console import stdout_errors

GZIP = 31
"""The zlib format gzip. Its header has no time stamp, so equal content gives equal bytes."""
CURE = "Make the folder, free some space, or choose another place."
IN_USE_CURE = "Close the program that has it open, or choose another place."
WRITABLE = "attrib -r" if os.name == "nt" else "chmod u+w"
WAITS = (0.01, 0.05, 0.2, 0.5)
"""Seconds before Windows is asked again to replace a file that another program has open."""


def check_writable(path: str | Path, *, make_folder: bool = False) -> None:
    """Check that a file can be written at ``path``, before a long computation.

    Parameters
    ----------
    path : path
    make_folder : bool
        Whether to create the parent folder if it is missing.

    Raises
    ------
    OutputError
        If the parent folder is missing or not writable, or if the path is a folder, a
        read-only file or not a valid name.
    """
    with raise_output_errors(path):
        if (descriptor := descriptor_of(path)) is not None:
            os.fstat(descriptor)
            return
        path = _target(path)
        if path.is_dir():
            raise OutputError(f"{path} is a folder.", "Give the name of a file in it.")
        _check_not_read_only(path)
        if _is_special(path):
            return
        if make_folder:
            path.parent.mkdir(parents=True, exist_ok=True)
        path.exists()  # Raises if the name is too long; the temporary name is shorter.
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=_prefix(path)):
            pass


def write_atomically(
    path: str | Path, content: bytes | Iterable[bytes], *, follow: bool = True
) -> None:
    """Write a temporary file next to ``path``, flush it to disk, rename it, flush the folder.

    An existing file keeps its permissions.

    Parameters
    ----------
    path : path
    content : bytes, or iterable of bytes
        The whole content, or its parts in order.
    follow : bool
        If true, symbolic links are followed, devices, pipes and open descriptors are written
        to, and a read-only file is an error. If false, ``path`` is replaced by a new file.

    Raises
    ------
    OutputError
        If the file cannot be written; the previous content is then unchanged.
    """
    parts = (content,) if isinstance(content, bytes) else content
    with raise_output_errors(path):
        descriptor = descriptor_of(path) if follow else None
        if descriptor is not None:
            errors = stdout_errors() if descriptor == STDOUT else nullcontext()
            with errors, os.fdopen(os.dup(descriptor), "wb") as file:
                file.writelines(parts)
            return
        path = _target(path) if follow else Path(path)
        if follow:
            _check_not_read_only(path)
            if _is_special(path):
                with path.open("wb") as file:
                    file.writelines(parts)
                return
        temporary = _write_temporary(path, parts)
        try:
            replace(temporary, path)
        except BaseException:
            with suppress(OSError):
                temporary.unlink()
            raise
        _flush_folder(path.parent)


def replace(temporary: Path, path: Path) -> None:
    """Rename a complete file; wait shortly for a program that has the replaced one open.

    Raises
    ------
    OSError
        Windows does not replace an open file. Both files are then unchanged.
    """
    for seconds in WAITS:
        try:
            os.replace(temporary, path)
        except PermissionError as error:
            if getattr(error, "winerror", None) is None:
                raise
            time.sleep(seconds)
        else:
            return
    os.replace(temporary, path)


def compressed_for(path: str | Path, parts: Iterable[bytes]) -> Iterable[bytes]:
    """Return the parts of a file, compressed with gzip if its name ends in .gz."""
    return _gzipped(parts) if Path(path).suffix.lower() == ".gz" else parts


def _gzipped(parts: Iterable[bytes]) -> Iterator[bytes]:
    packer = zlib.compressobj(wbits=GZIP)
    yield from map(packer.compress, parts)
    yield packer.flush()


@contextmanager
def raise_output_errors(path: str | Path) -> Iterator[None]:
    """Turn an error from writing to a file or folder into an OutputError."""
    try:
        yield
    except OutputError:
        raise
    except OSError as error:
        if isinstance(error, NotADirectoryError):
            raise OutputError(
                f"{path} cannot be written: {Path(path).parent} is not a folder.",
                "Choose another place.",
            ) from error
        is_open = isinstance(error, PermissionError) and hasattr(error, "winerror")
        cure = IN_USE_CURE if is_open else CURE
        raise OutputError(f"{path} cannot be written: {reason_of(error)}.", cure) from error
    except ValueError as error:
        if "\0" not in str(path):
            raise
        raise OutputError(f"{path} cannot be written: {error}.", "Give another name.") from error


def check_space(folder: Path, need: int) -> None:
    """Check that a disk has enough free space, before a long computation.

    Parameters
    ----------
    folder : Path
    need : int
        Required space in bytes.

    Raises
    ------
    OutputError
    """
    try:
        free = shutil.disk_usage(folder).free
    except OSError:
        return  # Some file systems do not report it.
    if free < need:
        raise OutputError(
            f"{folder} has room for {free / 1e6:,.1f} MB, and {need / 1e6:,.1f} MB are needed.",
            CURE,
        )


def _target(path: str | Path) -> Path:
    """Return the path with symbolic links resolved, also those whose target does not exist."""
    return Path(os.path.realpath(path))


def _is_special(path: Path) -> bool:
    return path.exists() and not path.is_file()


def _write_temporary(path: Path, parts: Iterable[bytes]) -> Path:
    mode = path.stat().st_mode & 0o777 if path.is_file() else None
    temporary = path.parent / f"{_prefix(path)}{secrets.token_hex(8)}"

    def create(name: str, flags: int) -> int:
        # The system applies the umask. Reading it would change it briefly for other threads.
        return os.open(name, flags, 0o666 if mode is None else mode)

    with open(temporary, "xb", opener=create) as file:
        try:
            file.writelines(parts)
            file.flush()
            os.fsync(file.fileno())
            if mode is not None:
                temporary.chmod(mode)
        except BaseException:
            temporary.unlink()
            raise
    return temporary


def _flush_folder(folder: Path) -> None:
    """Make a new name survive a power failure, where the system can flush folders."""
    if os.name != "posix":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        # Some network file systems refuse; the file itself is on disk anyway.
        with suppress(OSError):
            os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _prefix(path: Path) -> str:
    """Return the prefix of a temporary file's name, short enough for any file system."""
    return f".{path.name[:40]}."


def _check_not_read_only(path: Path) -> None:
    """Raise if a file is read-only: replacing it would need write access to its folder only."""
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        return
    # The superuser may write to every file.
    if not mode & 0o222 or not os.access(path, os.W_OK):
        raise OutputError(
            f"{path} is read-only.", f"Make it writable ({WRITABLE}), or give another name."
        )
