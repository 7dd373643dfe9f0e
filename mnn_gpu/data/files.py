"""Reading files without trusting what they say of themselves."""

from __future__ import annotations

import gzip
import io
import zlib
from pathlib import Path
from typing import IO, cast

from mnn_gpu.errors import DataError

CHUNK = 1 << 20
MAX_DEFLATE_RATIO = 1032
"""DEFLATE cannot shrink data by more (zlib technical details): a bound on what a
compressed file can hold, known before a byte of it is unpacked."""


def open_binary(path: Path) -> IO[bytes]:
    """Open a file, unpacking it on the fly if its name ends in .gz."""
    return cast("IO[bytes]", gzip.open(path)) if path.suffix == ".gz" else path.open("rb")


def open_text(path: Path) -> IO[str]:
    """Open a UTF-8 text file as `csv` wants it, unpacked like `open_binary`."""
    return io.TextIOWrapper(open_binary(path), encoding="utf-8-sig", newline="")


def most_bytes(path: Path) -> int:
    """Return the most bytes the file can hold once unpacked."""
    size = path.stat().st_size
    return size * MAX_DEFLATE_RATIO if path.suffix == ".gz" else size


def read_exactly(file: IO[bytes], count: int, path: Path) -> bytearray:
    """Read ``count`` bytes and see that the file ends there.

    Memory grows with what the file really holds, not with ``count``.

    Raises
    ------
    DataError
        If the file holds fewer bytes, or more.
    """
    content = bytearray()
    while len(content) < count and (chunk := file.read(min(CHUNK, count - len(content)))):
        content += chunk
    if len(content) < count:
        raise DataError(
            f"{path} is truncated: it should hold {count} more bytes after its header, "
            f"but has {len(content)}.",
            "Download or copy it again.",
        )
    if file.read(1):
        raise DataError(
            f"{path} goes on after the {count} bytes that its header promises.",
            "It is damaged or another format; download or copy it again.",
        )
    return content


def explain_os_error(error: BaseException, path: Path) -> DataError:
    """Say what an error while reading ``path`` means."""
    if isinstance(error, FileNotFoundError):
        return DataError(f"There is no file {path}.", "Check the path.")
    if isinstance(error, IsADirectoryError):
        return DataError(f"{path} is a directory, not a file.", "Name a file in it.")
    if isinstance(error, PermissionError):
        return DataError(f"{path} may not be read.", "Check its permissions.")
    if isinstance(error, gzip.BadGzipFile | zlib.error | EOFError):
        return DataError(
            f"{path} is not a whole gzip file ({error}).",
            "Download or copy it again; if it is not compressed, remove .gz from its name.",
        )
    return DataError(f"{path} cannot be read: {error}.", "Check the disk and the path.")


READ_ERRORS = (OSError, EOFError, zlib.error)
"""What opening and reading a file, gzip or not, can raise."""
