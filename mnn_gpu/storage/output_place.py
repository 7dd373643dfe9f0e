"""Where an output may go: not over an input, and under a name that says what it holds."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from mnn_gpu.data.archive import archive_of
from mnn_gpu.data.find_files import data_files
from mnn_gpu.errors import OutputError, UsageError
from mnn_gpu.storage.atomic_write import check_writable, explained

PICTURES = (".bmp", ".gif", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp")
ENDINGS = frozenset(
    {
        *(".csv", ".json", ".tsv", ".txt", ".xlsx"),
        *(".avro", ".feather", ".mat", ".npy", ".parquet", ".pq"),
        *(".7z", ".bz2", ".gz", ".tar", ".xz", ".zip", ".zst"),
        *(".bin", ".ckpt", ".h5", ".hdf5", ".joblib", ".keras", ".pb", ".pickle", ".pkl"),
        *(".html", ".npz", ".onnx", ".pt", ".pth", ".safetensors", ".tflite"),
        *(".pdf", ".svg", *PICTURES),
    }
)
"""Endings of known formats; any other is taken for a part of the name, as in mnist-0.1."""
END = 1 << 17
"""Bytes of a file, at its beginning and at its end, in which a model's mark is looked for."""


def check_output(
    path: Path,
    inputs: Iterable[str | Path | None],
    *,
    writes: str,
    endings: Sequence[str],
    cure: str = "",
) -> None:
    """Check, before any work, that an output can be written and harms no input.

    Parameters
    ----------
    path : Path
    inputs : iterable of paths
        Files, and folders that hold them; None is passed over.
    writes : str
        What is written, for the message.
    endings : sequence of str
        Those that such a file may have, the usual one first. Unknown ones are allowed too.
    cure : str
        Continues the sentence that names the usual ending.

    Raises
    ------
    UsageError
        If it is an input, also through a symbolic or hard link, or has the ending of
        another format.
    OutputError
        See `check_writable`.
    """
    check_ending(path, writes=writes, endings=endings, cure=cure)
    check_not_input(path, inputs)
    check_writable(path)


def check_ending(path: Path, *, writes: str, endings: Sequence[str], cure: str = "") -> None:
    """Check that a name does not promise another format; see `check_output`."""
    ending = path.suffix.lower()
    if ending in ENDINGS and ending not in endings:
        name = f"a name that ends in {endings[0]}" if endings else "a name without it"
        raise UsageError(f"{path} ends in {ending}, but {writes}.", f"Give {name}{cure}.")


def check_not_input(path: Path, inputs: Iterable[str | Path | None]) -> None:
    """Check that an output is none of the inputs, nor a file that a folder of data holds."""
    with explained(path):
        if not path.exists():
            return
        for given in filter(None, map(_existing, inputs)):
            files = [given, *(data_files(given) if given.is_dir() else ())]
            if any(path.samefile(file) for file in files) or _is_picture_below(path, given, files):
                within = "" if path.samefile(given) else ", a file of"
                raise UsageError(
                    f"{path} is the input{within} {given}.", "Give the output another name."
                )


def check_replaceable(path: Path, force: bool) -> None:
    """Check that a file that exists is a model, as this package writes them, or empty.

    Parameters
    ----------
    path : Path
        One that `check_output` allows.
    force : bool
        Whether any file may be replaced.

    Raises
    ------
    OutputError
    """
    if force or not path.is_file() or is_export(path):
        return
    raise OutputError(
        f"{path} exists and is not a model that mnn_gpu wrote.",
        "Give another name, or replace it with --force.",
    )


def is_export(path: Path) -> bool:
    """Return whether a file is empty or a model of this package, in any of its formats."""
    from mnn_gpu.interop.export import MARKS

    with explained(path), path.open("rb") as file:
        ends = file.read(END)
        file.seek(max(0, path.stat().st_size - END))
        ends += file.read(END)  # A .npz lists its arrays at its end.
    return not ends or any(mark in ends for mark in MARKS)


def _existing(given: str | Path | None) -> Path | None:
    """Return an input that is there; reading one that is not reports that."""
    try:
        path = None if given is None else archive_of(Path(given)) or Path(given)
        return path if path is not None and path.exists() else None
    except (OSError, ValueError):
        return None


def _is_picture_below(path: Path, folder: Path, files: Sequence[Path]) -> bool:
    """Return whether a picture lies in a folder of folders of pictures, without other data."""
    place, root = path.resolve(), folder.resolve()
    below = root in place.parents and place.parent != root
    return below and len(files) == 1 and path.suffix.lower() in PICTURES
