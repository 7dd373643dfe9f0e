"""Reading files without trusting what they say of themselves."""

from __future__ import annotations

import gzip
import io
import stat
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, cast

from mnn_gpu.errors import DataError
from mnn_gpu.regular_file import open_regular

CHUNK = 1 << 20
MOST_LINE = 1 << 22
KIND_CURE = "Give a CSV file in UTF-8; an .npz, IDX or Parquet file needs its own ending."
FREE = 1 << 25
MOST_RATIO = 200
"""Images shrink by 2 to 100 when they are compressed, a bomb by 1,000 and more: what unpacks
to more than FREE bytes, and to more than MOST_RATIO times its size, is not unpacked."""
BOMB_CURE = "If you trust it, save it uncompressed (gunzip, numpy.savez) and give that."


def is_folder(path: Path) -> bool:
    """Tell a folder from a file.

    Raises
    ------
    DataError
        If there is neither, or a pipe or a device, which may have no end.
    """
    try:
        mode = path.stat().st_mode
    except FileNotFoundError as error:
        raise DataError(f"There is no file or folder {path}.", "Check the path.") from error
    except (OSError, ValueError) as error:
        raise explain_os_error(error, path) from error
    if not (stat.S_ISDIR(mode) or stat.S_ISREG(mode)):
        raise DataError(f"{path} is not a regular file.", "Write the data to a file first.")
    return stat.S_ISDIR(mode)


def open_binary(path: Path) -> IO[bytes]:
    """Open a file, unpacking it on the fly if its name ends in .gz.

    Reading raises a DataError where there is more than `most_bytes`.
    """
    if is_folder(path):
        raise IsADirectoryError
    return (
        cast("IO[bytes]", io.BufferedReader(_Unpacked(path))) if _gz(path) else open_regular(path)
    )


class _Unpacked(io.RawIOBase):
    """What a gzip file holds, up to a bound."""

    def __init__(self, path: Path) -> None:
        self._path, self._left = path, most_bytes(path)
        self._packed = open_regular(path)
        self._file = gzip.GzipFile(fileobj=self._packed)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        count = self._file.readinto(buffer)
        self._left -= count
        if self._left < 0:
            raise DataError(f"{self._path} unpacks to over {MOST_RATIO} times its size.", BOMB_CURE)
        return count

    def close(self) -> None:
        if not self.closed:
            self._file.close()
            self._packed.close()
        super().close()


def open_text(path: Path) -> IO[str]:
    """Open a UTF-8 text file as `csv` wants it, unpacked like `open_binary`."""
    return io.TextIOWrapper(open_binary(path), encoding="utf-8-sig", newline="")


def lines(file: IO[str], path: Path) -> Iterator[str]:
    """Yield the lines of a CSV file, or raise a DataError where one has no end."""
    while line := file.readline(MOST_LINE):
        if len(line) == MOST_LINE:
            raise DataError(f"{path} has a line of over {MOST_LINE:,} characters.", KIND_CURE)
        yield line


def most_bytes(path: Path) -> int:
    """Return the most bytes that are read of a file, which may be compressed."""
    size = path.stat().st_size
    return most_unpacked(path) if _gz(path) else size


def most_unpacked(path: Path) -> int:
    """Return to how many bytes, or values, a compressed file may unpack."""
    return max(FREE, MOST_RATIO * path.stat().st_size)


def _gz(path: Path) -> bool:
    return path.suffix.lower() == ".gz"


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
