"""The ending of a file name, which states the format."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from mnn_gpu.errors import UsageError

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
"""Endings of known formats; any other is taken as part of the name, as in mnist-0.1."""


def check_ending(path: Path, *, writes: str, endings: Sequence[str], cure: str = "") -> None:
    """Check that the ending of a name is not that of another format.

    Parameters
    ----------
    path : Path
    writes : str
        The rest of the message: what is written.
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
