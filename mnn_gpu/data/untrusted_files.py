"""Reading files without trusting their headers."""

from __future__ import annotations

import gzip
import re
import stat
import zlib
from pathlib import Path
from typing import IO

from mnn_gpu.errors import DataError
from mnn_gpu.storage.os_errors import LONGEST_PATH, reason_of

CHUNK = 1 << 20
KIND_CURE = "Give a CSV file in UTF-8; an .npz, IDX or Parquet file needs its own ending."
FREE = 1 << 25
MOST_RATIO = 200
"""Compression shrinks images by 2 to 100, a decompression bomb by 1,000 or more: a file that
unpacks to more than FREE bytes and to more than MOST_RATIO times its size is rejected."""
BOMB_CURE = "If you trust it, save it uncompressed (gunzip, numpy.savez) and give that."


def given_path(path: str | Path) -> Path:
    """Return the path of data given by the user.

    Raises
    ------
    DataError
        If it is empty, as from an unset variable: `Path` would use the current folder.
    """
    if not str(path):
        raise DataError(
            "The path of the data is empty.", "Give a file or folder; . is the current one."
        )
    # One letter is a drive of Windows.
    if found := re.match(r"([a-z][a-z0-9+.-]+)://", str(path), re.IGNORECASE):
        cure = "Give its path." if found[1].lower() == "file" else "Download it first."
        raise DataError(f"{path} is a URL; only files are read.", cure)
    return Path(path)


def is_folder(path: Path) -> bool:
    """Return whether a path is a folder rather than a file.

    Raises
    ------
    DataError
        If it does not exist, or is a pipe or a device, which may have no end.
    """
    try:
        mode = path.stat().st_mode
    except FileNotFoundError as error:
        if len(str(path)) > LONGEST_PATH:
            raise explain_os_error(error, path) from error
        raise DataError(f"There is no file or folder {path}.", "Check the path.") from error
    except (OSError, ValueError) as error:
        raise explain_os_error(error, path) from error
    if not (stat.S_ISDIR(mode) or stat.S_ISREG(mode)):
        raise DataError(f"{path} is not a regular file.", "Write the data to a file first.")
    return stat.S_ISDIR(mode)


def unpacked_limit(path: Path) -> int:
    """Return the largest number of bytes, or values, to which a compressed file may unpack."""
    return unpacked_limit_of_size(path.stat().st_size)


def unpacked_limit_of_size(size: int) -> int:
    """Return the largest number of bytes, or values, to which compressed bytes may unpack."""
    return max(FREE, MOST_RATIO * size)


def read_exactly(file: IO[bytes], count: int, path: Path) -> bytearray:
    """Read ``count`` bytes and check that the file ends there.

    Memory use depends on the file's actual size, not on ``count``.

    Raises
    ------
    DataError
        If the file has fewer or more bytes.
    """
    content = bytearray()
    while len(content) < count and (chunk := file.read(min(CHUNK, count - len(content)))):
        content += chunk
    if len(content) < count:
        raise DataError(
            f"{path} is truncated: it should have {count} more bytes after its header, "
            f"but has {len(content)}.",
            "Download or copy it again.",
        )
    if file.read(1):
        raise DataError(
            f"{path} has more than the {count} bytes that its header declares.",
            "It is damaged or another format; download or copy it again.",
        )
    return content


def explain_os_error(error: BaseException, path: Path) -> DataError:
    """Return a DataError that explains an error from reading ``path``."""
    if isinstance(error, IsADirectoryError):
        return DataError(f"{path} is a directory, not a file.", "Give a file in it.")
    if isinstance(error, NotADirectoryError):
        return DataError(
            f"{path} cannot be read: a parent of it is a file, not a folder.",
            "Check the path; unpack an archive first.",
        )
    if isinstance(error, PermissionError):
        reason = reason_of(error) if hasattr(error, "winerror") else "permission denied"
        return DataError(f"{path} cannot be read: {reason}.", "Check its permissions.")
    if isinstance(error, gzip.BadGzipFile | zlib.error | EOFError):
        return DataError(
            f"{path} is not a complete gzip file ({error}).",
            "Download or copy it again; if it is not compressed, remove .gz from its name.",
        )
    reason = reason_of(error) if isinstance(error, OSError) else str(error)
    return DataError(f"{path} cannot be read: {reason}.", "Check the disk and the path.")


READ_ERRORS = (OSError, EOFError, zlib.error)
"""Exceptions that opening and reading a file, gzip or not, can raise."""
