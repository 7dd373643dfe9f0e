"""The kind of a file, from its first bytes and the ending of its name."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from mnn_gpu.errors import UsageError
from mnn_gpu.storage.regular_file import open_regular

MAGIC = (
    (b"PAR1", "a Parquet file"),
    (b"\x89PNG", "an image"),
    (b"\xff\xd8\xff", "an image"),
    (b"GIF8", "an image"),
    (b"\0\0\x08\x03", "an IDX file of images"),
    (b"\0\0\x08\x01", "an IDX file of labels"),
    (b"PK\x03\x04", "a .zip or .npz file"),
    (b"\x1f\x8b", "a gzip file"),
)
KINDS = {".csv": "a CSV file", ".tsv": "a table", ".txt": "a text file", ".onnx": "an ONNX file"}
IMAGES = (
    *(".png", ".jpg", ".jpeg", ".jfif", ".gif", ".webp", ".bmp", ".tif", ".tiff"),
    *(".avif", ".heic", ".heif", ".ppm", ".pgm", ".pbm"),
)
ENDINGS = frozenset(
    {
        *(".csv", ".json", ".tsv", ".txt", ".xlsx"),
        *(".avro", ".feather", ".mat", ".npy", ".parquet", ".pq"),
        *(".7z", ".bz2", ".gz", ".tar", ".xz", ".zip", ".zst"),
        *(".bin", ".ckpt", ".h5", ".hdf5", ".joblib", ".keras", ".pb", ".pickle", ".pkl"),
        *(".html", ".npz", ".onnx", ".pt", ".pth", ".safetensors", ".tflite"),
        *(".pdf", ".svg", *IMAGES),
    }
)
"""Endings of known formats; any other is taken as part of the name, as in mnist-0.1."""


def kind_of(path: Path) -> str | None:
    """Return the kind of a file, such as "a CSV file", or None if it is unknown."""
    try:
        if path.is_dir():
            return "a folder"
        with open_regular(path) as file:
            begin = file.read(16)
    except (OSError, ValueError):
        return None
    if begin[8:9] == b"{" and int.from_bytes(begin[:8], "little") < 1 << 30:
        return "a model file"
    for magic, kind in MAGIC:
        if begin.startswith(magic):
            return kind
    return KINDS.get(path.suffix.lower())


def is_image(path: Path) -> bool:
    """Return whether a file has the name of an image file."""
    return path.suffix.lower() in IMAGES


def check_ending(path: Path, *, writes: str, endings: Sequence[str], cure: str = "") -> None:
    """Check that the ending of a name is not that of another format.

    Parameters
    ----------
    path : Path
    writes : str
        The rest of the message, such as "a model is written".
    endings : sequence of str
        Valid endings for such a file, the usual one first. Unknown endings are allowed too.
    cure : str
        Appended to the sentence that suggests the usual ending.

    Raises
    ------
    UsageError
    """
    ending = path.suffix.lower()
    if ending in ENDINGS and ending not in endings:
        name = f"a name that ends in {endings[0]}" if endings else "a name without it"
        raise UsageError(f"{path} ends in {ending}, but {writes}.", f"Give {name}{cure}.")
