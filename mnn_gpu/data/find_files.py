"""Finding the data file in a folder or a zip archive."""

from __future__ import annotations

from pathlib import Path

from mnn_gpu.data.archive import is_archive, members
from mnn_gpu.data.mnist import Part
from mnn_gpu.data.npy_folder.index import INDEX, is_converted
from mnn_gpu.errors import DataError
from mnn_gpu.storage.file_kind import is_image

PATTERNS = (
    *("*images*ubyte", "*images*ubyte.gz", "*.csv", "*.csv.gz", "*.tsv", "*.npz", "*.parquet"),
    "*.zip",
)
LABELS = ("*labels*ubyte", "*labels*ubyte.gz")
CONVERTED = (INDEX, "images-*.npy", "labels-*.npy")
PART_WORDS: dict[Part, tuple[str, ...]] = {"train": ("train",), "test": ("test", "t10k")}
FOLDERS = ("MNIST", "FashionMNIST", "KMNIST", "QMNIST", "EMNIST", "raw")
"""Subfolders that are searched: torchvision downloads into ``MNIST/raw`` and so on."""


def find_in_folder(folder: Path, part: Part) -> Path:
    """Return the data file of a folder: the one for ``part``, or the only one.

    Parameters
    ----------
    folder : Path
        A folder of IDX, CSV, npz or Parquet files, or one created by torchvision; or
        a zip archive of such files, in any folders. A file and its compressed copy count
        as one.
    part : {"train", "test"}

    Raises
    ------
    DataError
        If there is none, or more than one.
    """
    found = _data_in(folder)
    below = [] if found or is_archive(folder) else _folders_below(folder)
    if len(below) == 1:
        return find_in_folder(below[0], part)
    if is_archive(folder) and len(found) == 1:
        return found[0]
    fitting = [path for path in found if _part_of(path) == part]
    # If no name contains this part, a name that contains neither is used for both.
    candidates = fitting or [path for path in found if _part_of(path) is None]
    if len(candidates) == 1:
        return candidates[0]
    if candidates or below:
        kind = "data files" if candidates else "folders of data"
        names = ", ".join(str(path.relative_to(folder)) for path in candidates or below)
        raise DataError(
            f"{folder} has several {kind}: {names}.",
            f"Give one of them, such as {(candidates or below)[0]}.",
        )
    if found:
        names = ", ".join(str(path.relative_to(folder)) for path in found)
        raise DataError(f"{folder} has no {part} data, only {names}.", "Give the path of a file.")
    if is_archive(folder) and any(map(is_image, members(folder))):
        raise DataError(
            f"{folder} contains images, which can only be read from folders.",
            "Unpack it and give the folder; for training, with a subfolder of images per class.",
        )
    if not is_archive(folder) and any(map(is_image, folder.iterdir())):
        raise DataError(
            f"{folder} contains images without labels.",
            f"To predict, give the images: mnn-gpu predict MODEL {folder}/*. For training and "
            "evaluation, put them into one folder per class.",
        )
    raise DataError(
        f"{folder} contains no data.",
        "It should contain IDX files (-ubyte or -ubyte.gz), a .csv, .npz or .parquet file.",
    )


def _data_in(folder: Path) -> list[Path]:
    """Return candidate files, without compressed copies; of an archive the least nested."""
    paths = members(folder) if is_archive(folder) else [p for p in folder.iterdir() if p.is_file()]
    found = [path for pattern in PATTERNS for path in sorted(paths) if path.match(pattern)]
    found = [path for path in found if not path.name.startswith("sample_submission")]
    copies = {path.with_name(path.name + ending) for path in found for ending in (".gz", ".zip")}
    found = [path for path in found if path not in copies]
    least = min((len(path.parts) for path in found), default=0)
    return [path for path in found if len(path.parts) == least]


def holds_data(folder: Path) -> bool:
    """Return whether a folder has data files, in it or where torchvision puts them."""
    return bool(_data_in(folder) or _folders_below(folder))


def _folders_below(folder: Path) -> list[Path]:
    return [folder / name for name in FOLDERS if (folder / name).is_dir() and _holds(folder / name)]


def _holds(folder: Path) -> bool:
    """Return whether a folder or a subfolder created by torchvision contains data."""
    return bool(_data_in(folder)) or any(
        (folder / name).is_dir() and _data_in(folder / name) for name in FOLDERS
    )


def data_files(folder: Path) -> list[Path]:
    """Return the data files in a folder.

    Raises
    ------
    OSError
    """
    patterns = CONVERTED if is_converted(folder) else (*PATTERNS, *LABELS)
    return [path for path in folder.iterdir() if any(map(path.match, patterns))]


def _part_of(path: Path) -> Part | None:
    """Return the part that a file's name contains; an .npz may contain both."""
    if path.suffix != ".npz":
        for part, words in PART_WORDS.items():
            if any(word in path.name for word in words):
                return part
    return None
