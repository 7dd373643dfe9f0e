"""Which file of a folder is meant."""

from __future__ import annotations

from pathlib import Path

from mnn_gpu.data.bundled import Part
from mnn_gpu.data.folder_index import INDEX, is_converted
from mnn_gpu.errors import DataError

PATTERNS = ("*images*ubyte", "*images*ubyte.gz", "*.csv", "*.csv.gz", "*.npz", "*.parquet")
LABELS = ("*labels*ubyte", "*labels*ubyte.gz")
CONVERTED = (INDEX, "images-*.npy", "labels-*.npy")
PART_WORDS: dict[Part, tuple[str, ...]] = {"train": ("train",), "test": ("test", "t10k")}


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
    found = [path for pattern in PATTERNS for path in sorted(folder.glob(pattern))]
    found = [path for path in found if path.is_file()]
    fitting = [path for path in found if _part_of(path) == part]
    # Where no name speaks of this part, a name that speaks of neither serves for both.
    candidates = fitting or [path for path in found if _part_of(path) is None]
    if len(candidates) == 1:
        return candidates[0]
    if candidates:
        raise DataError(
            f"{folder} has several data files: {', '.join(path.name for path in candidates)}.",
            "Name the file itself.",
        )
    if found:
        names = ", ".join(path.name for path in found)
        raise DataError(f"{folder} has no {part} data, only {names}.", "Name the file itself.")
    raise DataError(
        f"{folder} holds no data.",
        "It should hold IDX files (-ubyte or -ubyte.gz), a .csv, .npz or .parquet file.",
    )


def data_files(folder: Path) -> list[Path]:
    """Return the files of a folder that data may be read from.

    Raises
    ------
    OSError
    """
    patterns = CONVERTED if is_converted(folder) else (*PATTERNS, *LABELS)
    return [path for path in folder.iterdir() if any(map(path.match, patterns))]


def _part_of(path: Path) -> Part | None:
    """Return the part that a file's name speaks of; an .npz may hold both."""
    if path.suffix != ".npz":
        for part, words in PART_WORDS.items():
            if any(word in path.name for word in words):
                return part
    return None
