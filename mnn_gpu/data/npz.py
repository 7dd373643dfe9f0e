"""NumPy archives such as Keras' mnist.npz."""

from __future__ import annotations

import math
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from mnn_gpu.data.archive import open_archive
from mnn_gpu.data.dataset import Dataset, image_shape
from mnn_gpu.data.labels import checked_labels
from mnn_gpu.data.mnist import Part
from mnn_gpu.data.pixels import checked_pixels
from mnn_gpu.data.untrusted_files import explain_os_error
from mnn_gpu.errors import DataError
from mnn_gpu.storage.os_errors import is_of_system

IMAGE_NAMES = {"train": ("x_train", "X_train", "x", "X"), "test": ("x_test", "X_test", "x", "X")}
LABEL_NAMES = {"train": ("y_train", "y"), "test": ("y_test", "y")}
MOST_NAMES = 8


def read_npz(path: Path, part: Part, labelled: bool = True) -> Dataset:
    """Read images and labels from a NumPy archive.

    Parameters
    ----------
    path : Path
    part : {"train", "test"}
        Which arrays to read: ``x_train, y_train`` or ``x_test, y_test``, else ``x, y``.
    labelled : bool
        Whether labels are required.

    Raises
    ------
    DataError
        If the archive is damaged, lacks the arrays, contains pickled objects, or declares
        more data than the file can contain.
    """
    with open_archive(path) as archive:
        images = _member(archive, IMAGE_NAMES[part], path)
        X = checked_pixels(images, str(path))
        y = None
        if labelled or _find(archive, LABEL_NAMES[part]):
            y = checked_labels(_member(archive, LABEL_NAMES[part], path), len(X), str(path))
    return Dataset(X, y, str(path), image_shape(images.shape))


def _find(archive: zipfile.ZipFile, names: tuple[str, ...]) -> str | None:
    present = set(archive.namelist())
    return next((name + ".npy" for name in names if name + ".npy" in present), None)


def _member(archive: zipfile.ZipFile, names: tuple[str, ...], path: Path) -> npt.NDArray[Any]:
    name = _find(archive, names)
    if name is None:
        found = archive.namelist()
        more = ", ..." if len(found) > MOST_NAMES else ""
        raise DataError(
            f"{path} has no array {' or '.join(names)}; it has "
            f"{', '.join(found[:MOST_NAMES]) or 'nothing'}{more}.",
            "Save it with numpy.savez(file, x_train=..., y_train=..., x_test=..., y_test=...).",
        )
    return read_member(archive, name, path)


def read_member(archive: zipfile.ZipFile, name: str, path: Path) -> npt.NDArray[Any]:
    """Read the array in a member of an archive, with bounded memory and without unpickling.

    Raises
    ------
    DataError
        If it is not a valid array.
    """
    info = archive.getinfo(name)
    try:
        with archive.open(name) as file:
            dtype, count, start = _claimed(file)
            if dtype.hasobject:
                raise ValueError("it holds pickled Python objects, which may run code")
            size = count * dtype.itemsize
            if size > info.file_size:
                raise ValueError(f"its header declares {size} bytes, more than it holds")
            file.seek(start)
            array = np.lib.format.read_array(file, allow_pickle=False)
    except Exception as error:
        if is_of_system(error):
            raise explain_os_error(error, path) from error
        # NumPy's header parser and zipfile's decompressors raise almost any exception.
        raise DataError(
            f"{path}, array {name}: {error}.",
            "Save it again with numpy.savez as plain numbers, or download it again.",
        ) from error
    return np.asarray(array)


def _claimed(file: Any) -> tuple[np.dtype[Any], int, int]:
    """Return data type, element count and data offset of an open .npy member."""
    start = file.tell()
    version = np.lib.format.read_magic(file)
    if version == (1, 0):
        shape, _, dtype = np.lib.format.read_array_header_1_0(file)
    elif version == (2, 0):
        shape, _, dtype = np.lib.format.read_array_header_2_0(file)
    else:
        raise ValueError(f"version {version} of the .npy format is not known")
    return dtype, math.prod(shape), start
