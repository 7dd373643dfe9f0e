"""The kind of a file, from its first bytes and its name, for error messages."""

from __future__ import annotations

from pathlib import Path

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
ENDINGS = {".csv": "a CSV file", ".tsv": "a table", ".txt": "a text file", ".onnx": "an ONNX file"}
PICTURES = (".png", ".jpg", ".jpeg", ".gif", ".webp", ".bmp", ".tif", ".tiff")


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
    return ENDINGS.get(path.suffix.lower())


def is_image(path: Path) -> bool:
    """Return whether a file has the name of an image file."""
    return path.suffix.lower() in PICTURES
