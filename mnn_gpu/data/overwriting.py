"""Checking that an output would not overwrite an input."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path

from mnn_gpu.data.archive import archive_of
from mnn_gpu.data.find_files import data_files
from mnn_gpu.errors import UsageError
from mnn_gpu.storage.atomic_write import check_writable, raise_output_errors
from mnn_gpu.storage.file_kind import check_ending, is_image


def check_output(
    path: Path,
    inputs: Iterable[str | Path | None],
    *,
    writes: str,
    endings: Sequence[str],
    cure: str = "",
) -> None:
    """Check that an output can be written and overwrites no input, before a computation.

    Parameters
    ----------
    path : Path
    inputs : iterable of paths
        Files, and folders that contain them; None is ignored.
    writes, endings, cure
        See `check_ending`.

    Raises
    ------
    UsageError
        If it is an input, possibly through a symbolic or hard link, or has the ending of
        another format.
    OutputError
        See `check_writable`.
    """
    check_ending(path, writes=writes, endings=endings, cure=cure)
    check_not_input(path, inputs)
    check_writable(path)


def check_not_input(path: Path, inputs: Iterable[str | Path | None]) -> None:
    """Check that an output is not an input, nor a file in an input folder."""
    with raise_output_errors(path):
        if not path.exists():
            return
        for given in filter(None, map(_existing, inputs)):
            files = [given, *_files_in(given)]
            if any(path.samefile(file) for file in files) or _is_image_below(path, given, files):
                within = "" if path.samefile(given) else ", a file of"
                raise UsageError(
                    f"{path} is the input{within} {given}.", "Give the output another name."
                )


def _files_in(given: Path) -> Sequence[Path]:
    """Return the data files of a folder; reading one that is not readable raises elsewhere."""
    with suppress(OSError):
        return data_files(given) if given.is_dir() else ()
    return ()


def _existing(given: str | Path | None) -> Path | None:
    """Return an input that exists; reading a missing one raises elsewhere."""
    try:
        path = None if given is None else archive_of(Path(given)) or Path(given)
        return path if path is not None and path.exists() else None
    except (OSError, ValueError):
        return None


def _is_image_below(path: Path, folder: Path, files: Sequence[Path]) -> bool:
    """Return whether an image lies in a folder of class folders, without other data."""
    place, root = path.resolve(), folder.resolve()
    below = root in place.parents and place.parent != root
    return below and len(files) == 1 and is_image(path)
