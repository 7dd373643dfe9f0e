"""Zip archives: NumPy's .npz, and zipped data files, as distributed by Kaggle.

A file in an archive is given by a path through it, such as ``digits.zip/train.csv``.
"""

from __future__ import annotations

import zipfile
from pathlib import Path, PurePosixPath
from typing import IO

from mnn_gpu.data.untrusted_files import BOMB_CURE, explain_os_error, unpacked_limit
from mnn_gpu.errors import DataError
from mnn_gpu.storage.os_errors import is_of_system

METHODS = {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}
"""The usual methods; others can compress data by a factor of a million."""
ENCRYPTED = 1


def is_archive(path: Path) -> bool:
    """Return whether a name is that of a zip archive of data files."""
    return path.suffix.lower() == ".zip"


def archive_of(path: Path) -> Path | None:
    """Return the archive that a path goes through, or None."""
    if ".zip" not in str(path.parent).lower():
        return None
    return next((above for above in path.parents if is_archive(above) and above.is_file()), None)


def open_archive(path: Path) -> zipfile.ZipFile:
    """Open an archive, after checking that it is safe to unpack.

    Raises
    ------
    DataError
        If it is damaged or encrypted, two members have the same name or overlap, or they
        unpack to far more than data files do.
    """
    kind = ".zip" if is_archive(path) else ".npz"
    try:
        archive = zipfile.ZipFile(path)
    except OSError as error:
        raise explain_os_error(error, path) from error
    except Exception as error:
        # zipfile raises almost any exception for a damaged directory.
        raise DataError(
            f"{path} is not a complete {kind} file ({error}).", "Download or copy it again."
        ) from error
    fault = _fault(archive.infolist(), path.stat().st_size, unpacked_limit(path))
    if fault:
        archive.close()
        cure = "Unpack it and give the files." if kind == ".zip" else BOMB_CURE
        raise DataError(f"{path} {fault}.", cure)
    return archive


def _fault(members: list[zipfile.ZipInfo], size: int, most: int) -> str:
    """Return how an archive's directory is implausible, or an empty string."""
    if len({member.filename.removesuffix(".npy") for member in members}) < len(members):
        return "holds two arrays or files with the same name"
    if any(member.flag_bits & ENCRYPTED for member in members):
        return "is encrypted"
    if any(member.compress_type not in METHODS for member in members):
        return "is compressed with another method than deflate"
    if sum(member.compress_size for member in members) > size:
        return "declares more bytes than it has"
    if sum(member.file_size for member in members) > most:
        return f"declares over {most:,} bytes, far more than it holds"
    return ""


def members(path: Path) -> list[Path]:
    """Return the paths of an archive's files, without hidden files of operating systems.

    Raises
    ------
    DataError
    """
    with open_archive(path) as archive:
        names = [info.filename for info in archive.infolist() if not info.is_dir()]
    parts = [PurePosixPath(name).parts for name in names]
    hidden = [any(part.startswith((".", "__MACOSX")) for part in own) for own in parts]
    return [path / name for name, is_hidden in zip(names, hidden, strict=True) if not is_hidden]


def member_size(path: Path) -> int:
    """Return the compressed size of a file in an archive, in bytes.

    Raises
    ------
    DataError
        If there is no such file.
    """
    archive, name = _parted(path)
    with open_archive(archive) as opened:
        return _info(opened, name, path).compress_size


def open_member(path: Path) -> IO[bytes]:
    """Open a file in an archive.

    Reading raises a ``zipfile.BadZipFile`` if the file is damaged.

    Raises
    ------
    DataError
        If there is no such file, or its header is damaged.
    """
    archive, name = _parted(path)
    # The opened member keeps the archive open as long as needed.
    with open_archive(archive) as opened:
        info = _info(opened, name, path)
        try:
            return opened.open(info)
        except Exception as error:
            # zipfile raises almost any exception for a damaged header.
            raise damaged(path, error) from error


def damaged(path: Path, error: Exception) -> DataError:
    """Return the error for a file in an archive that cannot be unpacked."""
    if is_of_system(error):
        return explain_os_error(error, path)
    return DataError(f"{path} cannot be unpacked ({error}).", "Download or copy the archive again.")


def _parted(path: Path) -> tuple[Path, str]:
    archive = archive_of(path)
    if archive is None:
        raise DataError(f"There is no file {path}.", "Check the path.")
    return archive, path.relative_to(archive).as_posix()


def _info(archive: zipfile.ZipFile, name: str, path: Path) -> zipfile.ZipInfo:
    try:
        return archive.getinfo(name)
    except KeyError as error:
        raise DataError(f"There is no file {path}.", "Check the path.") from error
