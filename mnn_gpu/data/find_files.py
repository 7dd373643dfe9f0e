"""Which file of a folder, or of a zip archive, is meant."""

from __future__ import annotations

from pathlib import Path

from mnn_gpu.data.archive import is_archive, members
from mnn_gpu.data.mnist import Part
from mnn_gpu.data.npy_folder.index import INDEX, is_converted
from mnn_gpu.errors import DataError
from mnn_gpu.storage.file_kind import is_picture

PATTERNS = (
    *("*images*ubyte", "*images*ubyte.gz", "*.csv", "*.csv.gz", "*.tsv", "*.npz", "*.parquet"),
    "*.zip",
)
LABELS = ("*labels*ubyte", "*labels*ubyte.gz")
CONVERTED = (INDEX, "images-*.npy", "labels-*.npy")
PART_WORDS: dict[Part, tuple[str, ...]] = {"train": ("train",), "test": ("test", "t10k")}
FOLDERS = ("MNIST", "FashionMNIST", "KMNIST", "QMNIST", "EMNIST", "raw")
"""Folders below that are looked into: torchvision downloads into ``MNIST/raw`` and so on."""


def find_in_folder(folder: Path, part: Part) -> Path:
    """Return the data file of a folder: the one for ``part``, or the only one.

    Parameters
    ----------
    folder : Path
        A folder that IDX files, CSV, npz or Parquet lie in, or one as torchvision makes it; or
        a zip archive of such files, in any folders. A file beside its own compressed copy
        is taken for both.
    part : {"train", "test"}

    Raises
    ------
    DataError
        If there is none, or it is not clear which.
    """
    found = _data_in(folder)
    below = [] if found or is_archive(folder) else _folders_below(folder)
    if len(below) == 1:
        return find_in_folder(below[0], part)
    if is_archive(folder) and len(found) == 1:
        return found[0]
    fitting = [path for path in found if _part_of(path) == part]
    # Where no name speaks of this part, a name that speaks of neither serves for both.
    candidates = fitting or [path for path in found if _part_of(path) is None]
    if len(candidates) == 1:
        return candidates[0]
    if candidates or below:
        kind = "data files" if candidates else "folders of data"
        names = ", ".join(str(path.relative_to(folder)) for path in candidates or below)
        raise DataError(
            f"{folder} has several {kind}: {names}.",
            f"Name the one that is meant, such as {(candidates or below)[0]}.",
        )
    if found:
        names = ", ".join(str(path.relative_to(folder)) for path in found)
        raise DataError(f"{folder} has no {part} data, only {names}.", "Name the file itself.")
    if is_archive(folder) and any(map(is_picture, members(folder))):
        raise DataError(
            f"{folder} holds pictures, which are read from folders only.",
            "Unpack it and give the folder; for training, with a folder of images for each class.",
        )
    if not is_archive(folder) and any(map(is_picture, folder.iterdir())):
        raise DataError(
            f"{folder} holds pictures, and no labels for them.",
            f"For answers name the pictures: mnn-gpu predict MODEL {folder}/*. For training and "
            "evaluation put them into a folder for each class.",
        )
    raise DataError(
        f"{folder} holds no data.",
        "It should hold IDX files (-ubyte or -ubyte.gz), a .csv, .npz or .parquet file.",
    )


def _data_in(folder: Path) -> list[Path]:
    """Return what may be meant, without compressed copies, and the least deep of an archive."""
    paths = members(folder) if is_archive(folder) else [p for p in folder.iterdir() if p.is_file()]
    found = [path for pattern in PATTERNS for path in sorted(paths) if path.match(pattern)]
    found = [path for path in found if not path.name.startswith("sample_submission")]
    copies = {path.with_name(path.name + ending) for path in found for ending in (".gz", ".zip")}
    found = [path for path in found if path not in copies]
    least = min((len(path.parts) for path in found), default=0)
    return [path for path in found if len(path.parts) == least]


def holds_data(folder: Path) -> bool:
    """Return whether a folder has files of data, in it or where torchvision puts them."""
    return bool(_data_in(folder) or _folders_below(folder))


def _folders_below(folder: Path) -> list[Path]:
    return [folder / name for name in FOLDERS if (folder / name).is_dir() and _holds(folder / name)]


def _holds(folder: Path) -> bool:
    """Return whether a folder holds data, or one that torchvision made in it does."""
    return bool(_data_in(folder)) or any(
        (folder / name).is_dir() and _data_in(folder / name) for name in FOLDERS
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
