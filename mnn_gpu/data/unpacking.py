"""Opening data files, decompressed on the fly if needed, with a bound on their size."""

from __future__ import annotations

import gzip
import io
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, cast

from mnn_gpu.data.archive import archive_of, damaged, member_size, open_member
from mnn_gpu.data.untrusted_files import (
    BOMB_CURE,
    KIND_CURE,
    MOST_RATIO,
    is_folder,
    unpacked_limit_of_size,
)
from mnn_gpu.errors import DataError
from mnn_gpu.storage.regular_file import open_regular

MOST_LINE = 1 << 22


def exists(path: Path) -> bool:
    """Return whether a file exists, in a folder or in a zip archive."""
    if archive_of(path) is None:
        return path.is_file()
    try:
        member_size(path)
    except DataError:
        return False
    return True


def open_binary(path: Path) -> IO[bytes]:
    """Open a file, in a folder or in a zip archive, decompressed if its name ends in .gz.

    Reading raises a DataError after more than `most_bytes`.
    """
    in_archive = archive_of(path) is not None
    if not in_archive and is_folder(path):
        raise IsADirectoryError
    if not in_archive and not _gz(path):
        return open_regular(path)
    packed = open_member(path) if in_archive else open_regular(path)
    return cast("IO[bytes]", io.BufferedReader(_Unpacked(path, packed)))


class _Unpacked(io.RawIOBase):
    """The content of a file in a zip archive, of a gzip file, or of both, up to a bound."""

    def __init__(self, path: Path, packed: IO[bytes]) -> None:
        self._packed = packed
        self._file: Any = gzip.GzipFile(fileobj=packed) if _gz(path) else packed
        self._path, self._left = path, most_bytes(path)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        try:
            count: int = self._file.readinto(buffer)
        except zipfile.BadZipFile as error:
            raise damaged(self._path, error) from error
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
    """Open a UTF-8 text file as `csv` requires it, decompressed like `open_binary`."""
    return io.TextIOWrapper(open_binary(path), encoding="utf-8-sig", newline="")


def lines(file: IO[str], path: Path) -> Iterator[str]:
    """Yield the lines of a CSV file, or raise a DataError if a line is too long."""
    while line := file.readline(MOST_LINE):
        if len(line) == MOST_LINE:
            raise DataError(f"{path} has a line of over {MOST_LINE:,} characters.", KIND_CURE)
        yield line


def most_bytes(path: Path) -> int:
    """Return the largest number of bytes to read from a file, which may be compressed."""
    if archive_of(path) is not None:
        return unpacked_limit_of_size(member_size(path))
    size = path.stat().st_size
    return unpacked_limit_of_size(size) if _gz(path) else size


def _gz(path: Path) -> bool:
    return path.suffix.lower() == ".gz"
