"""Which file of a folder is meant."""

from __future__ import annotations

from pathlib import Path

from mnn_gpu.data.bundled import Part
from mnn_gpu.errors import DataError

PATTERNS = ("*images*ubyte", "*images*ubyte.gz", "*.csv", "*.csv.gz", "*.npz", "*.parquet")
PART_WORDS = {"train": ("train",), "test": ("test", "t10k")}


def find_in_folder(folder: Path, part: Part) -> Path:
    """Return the data file of a folder: the one for ``part``, or the only one.

    Parameters
    ----------
    folder : Path
        IDX files, CSV, npz or Parquet lie in it, not in folders below.
    part : {"train", "test"}

    Raises
    ------
    DataError
        If there is none, or it is not clear which.
    """
    for pattern in PATTERNS:
        found = sorted(path for path in folder.glob(pattern) if path.is_file())
        if not found:
            continue
        fitting = [path for path in found if any(w in path.name for w in PART_WORDS[part])]
        if len(fitting or found) == 1:
            return (fitting or found)[0]
        raise DataError(
            f"{folder} has several data files: {', '.join(path.name for path in found)}.",
            "Name the file itself.",
        )
    raise DataError(
        f"{folder} holds no data.",
        "It should hold IDX files (-ubyte or -ubyte.gz), a .csv, .npz or .parquet file.",
    )
