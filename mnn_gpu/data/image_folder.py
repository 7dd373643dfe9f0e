"""A folder with a subfolder of images per class: ``digits/0/a.png``, ``digits/train/0/a.png``."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np

from mnn_gpu.data.dataset import Dataset
from mnn_gpu.data.images import check_like, decoded
from mnn_gpu.data.labels import checked_labels
from mnn_gpu.data.mnist import Part
from mnn_gpu.data.pixels import checked_pixels
from mnn_gpu.data.untrusted_files import BOMB_CURE, explain_os_error, unpacked_limit_of_size
from mnn_gpu.errors import DataError
from mnn_gpu.storage.file_kind import is_image
from mnn_gpu.storage.regular_file import open_regular

PART_FOLDERS: dict[Part, tuple[str, ...]] = {
    "train": ("train", "training"),
    "test": ("test", "testing"),
}


def find_image_folder(folder: Path, part: Part) -> Path | None:
    """Return the folder that contains the class folders: this one or its ``part`` subfolder.

    Raises
    ------
    OSError
    """
    for name in PART_FOLDERS[part]:
        if _classes(folder / name):
            return folder / name
    return folder if _classes(folder) else None


def read_image_folder(folder: Path) -> Dataset:
    """Read all images in the subfolders of a folder; each subfolder is a class.

    Classes and files are sorted by name, with numbers in names compared as numbers:
    ``0/2.png`` comes before ``0/10.png``, and both before ``1/1.png``.

    Raises
    ------
    DataError
        If an image cannot be read, or its size differs from the first one's.
    """
    try:
        files = [(kind.name, file) for kind in _classes(folder) for file in _images(kind)]
        size = sum(file.stat().st_size for _, file in files)
        rows = [_row(file) for _, file in files[:1]]
        if rows[0].size * len(files) > unpacked_limit_of_size(size):
            raise DataError(f"{folder} holds images that unpack to far more.", BOMB_CURE)
        for _, file in files[1:]:
            rows.append(_row(file))
            check_like(rows[-1], rows[0], str(file))
    except OSError as error:
        raise explain_os_error(error, folder) from error
    X = checked_pixels(np.stack(rows), str(folder))
    y = checked_labels([kind for kind, _ in files], len(files), str(folder))
    height, width = rows[0].shape
    names = tuple(f"{kind}/{file.name}" for kind, file in files)
    return Dataset(X, y, str(folder), (height, width), files=names)


def _row(file: Path) -> Any:
    with open_regular(file) as content:
        return decoded(content, str(file))


def _classes(folder: Path) -> list[Path]:
    """Return the subfolders that contain images, in order."""
    if not folder.is_dir():
        return []
    return [
        path for path in sorted(folder.iterdir(), key=_order) if path.is_dir() and _images(path)
    ]


def _images(folder: Path) -> list[Path]:
    if folder.name.startswith("."):
        return []
    files = [path for path in folder.iterdir() if is_image(path)]
    return sorted((path for path in files if not path.name.startswith(".")), key=_order)


def _order(path: Path) -> list[tuple[int, str]]:
    """Return a name as text and numbers; numbers are sorted before text."""
    parts = re.split(r"(\d+)", path.name)
    numbered = [(int(part), "") if part.isdecimal() else (-1, part) for part in parts]
    return [*numbered, (-1, path.name)]
