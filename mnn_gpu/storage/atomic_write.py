"""Writing files so that nothing is lost: whole or not at all."""

from __future__ import annotations

import os
import secrets
import shutil
import tempfile
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from mnn_gpu.errors import OutputError
from mnn_gpu.storage.descriptor import descriptor_of

GZIP = 31
"""To zlib: a gzip file, whose header has no time, so that equal content gives equal bytes."""
CURE = "Make the folder, free some space, or choose another place."


def check_writable(path: str | Path, *, make_folder: bool = False) -> None:
    """See, before hours of work, that a file can be written at ``path``.

    Parameters
    ----------
    path : path
    make_folder : bool
        Whether to make the folder it is in if that is missing.

    Raises
    ------
    OutputError
        If its folder is missing or cannot be written to, or the path is a folder, a file
        that is read-only, or no possible name.
    """
    with explained(path):
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
        path.exists()  # A name that is too long is an error here; the temporary one is shorter.
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=_prefix(path)):
            pass


def write_atomically(
    path: str | Path, content: bytes | Iterable[bytes], *, follow: bool = True
) -> None:
    """Write a file beside its place, flush it to the disk, rename it, flush the folder.

    An existing file keeps its permissions.

    Parameters
    ----------
    path : path
    content : bytes, or iterable of bytes
        All of it, or one part after the other.
    follow : bool
        Whether a symbolic link is followed, a device, pipe or open descriptor written to, and
        a read-only file refused. Otherwise whatever has the name is replaced by a new file.

    Raises
    ------
    OutputError
        If it cannot be written; what was there before is then still there.
    """
    parts = (content,) if isinstance(content, bytes) else content
    with explained(path):
        descriptor = descriptor_of(path) if follow else None
        if descriptor is not None:
            with os.fdopen(os.dup(descriptor), "wb") as file:
                file.writelines(parts)
            return
        path = _target(path) if follow else Path(path)
        if follow:
            _check_not_read_only(path)
            if _is_special(path):
                with path.open("wb") as file:
                    file.writelines(parts)
                return
        temporary = _written_beside(path, parts)
        try:
            os.replace(temporary, path)
        except BaseException:
            temporary.unlink()
            raise
        _flush_folder(path.parent)


def packed_for(path: str | Path, parts: Iterable[bytes]) -> Iterable[bytes]:
    """Return the parts of a file as its name asks for: compressed by gzip if it ends in .gz."""
    return _gzipped(parts) if Path(path).suffix.lower() == ".gz" else parts


def _gzipped(parts: Iterable[bytes]) -> Iterator[bytes]:
    packer = zlib.compressobj(wbits=GZIP)
    yield from map(packer.compress, parts)
    yield packer.flush()


@contextmanager
def explained(path: str | Path) -> Iterator[None]:
    """Turn what writing to a file or folder raises into an OutputError."""
    try:
        yield
    except OutputError:
        raise
    except OSError as error:
        reason = error.strerror or str(error)
        if isinstance(error, NotADirectoryError):
            raise OutputError(
                f"{path} cannot be written: {Path(path).parent} is no folder.",
                "Choose another place.",
            ) from error
        raise OutputError(f"{path} cannot be written: {reason}.", CURE) from error
    except ValueError as error:
        if "\0" not in str(path):
            raise
        raise OutputError(f"{path} cannot be written: {error}.", "Give another name.") from error


def check_space(folder: Path, need: int) -> None:
    """See, before hours of work, that a disk has room.

    Parameters
    ----------
    folder : Path
    need : int
        Bytes.

    Raises
    ------
    OutputError
    """
    try:
        free = shutil.disk_usage(folder).free
    except OSError:
        return  # Not every file system tells.
    if free < need:
        raise OutputError(
            f"{folder} has room for {free / 1e6:,.1f} MB, and {need / 1e6:,.1f} MB are needed.",
            CURE,
        )


def _target(path: str | Path) -> Path:
    """Return where a path leads; a link that leads nowhere yet is followed too."""
    return Path(os.path.realpath(path))


def _is_special(path: Path) -> bool:
    return path.exists() and not path.is_file()


def _written_beside(path: Path, parts: Iterable[bytes]) -> Path:
    mode = path.stat().st_mode & 0o777 if path.is_file() else None
    temporary = path.parent / f"{_prefix(path)}{secrets.token_hex(8)}"

    def create(name: str, flags: int) -> int:
        # The system subtracts the umask, which other threads would see changed if it were read.
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
    """See that a new name outlives a power failure, where folders can be flushed."""
    if os.name != "posix":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        # Some network file systems refuse; the file itself is on the disk all the same.
        with suppress(OSError):
            os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _prefix(path: Path) -> str:
    """Return how a temporary file's name begins; it may not be longer than a name can be."""
    return f".{path.name[:40]}."


def _check_not_read_only(path: Path) -> None:
    """See that a file may be written to: the folder alone decides whether it can be replaced."""
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        return
    # Everything is writable to the superuser.
    if not mode & 0o222 or not os.access(path, os.W_OK):
        raise OutputError(
            f"{path} is read-only.", "Make it writable (chmod u+w), or give another name."
        )
