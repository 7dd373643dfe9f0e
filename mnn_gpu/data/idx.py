"""IDX files, the format of the original MNIST (Y. LeCun, C. Cortes, C. Burges, 1998)."""

from __future__ import annotations

import math
import struct
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import IO

import numpy as np
import numpy.typing as npt

from mnn_gpu.data.dataset import Dataset, image_shape
from mnn_gpu.data.labels import checked_labels
from mnn_gpu.data.pixels import checked_pixels
from mnn_gpu.data.unpacking import exists, most_bytes, open_binary
from mnn_gpu.data.untrusted_files import READ_ERRORS, explain_os_error, read_exactly
from mnn_gpu.errors import DataError

UBYTE = 0x08
CURE = "Give an IDX file of unsigned bytes such as train-images-idx3-ubyte(.gz)."


def read_idx(path: Path) -> npt.NDArray[np.uint8]:
    """Read one IDX file of unsigned bytes.

    Parameters
    ----------
    path : Path
        Compressed with gzip if it ends in .gz.

    Returns
    -------
    array of uint8
        (rows,) for labels, (rows, height, width) for images.

    Raises
    ------
    DataError
        If the file cannot be read, has a wrong magic number or another element type, or
        has fewer or more bytes than its header declares.
    """
    try:
        with open_binary(path) as file:
            shape = _read_shape(file, path)
            count = math.prod(shape)
            if count == 0:
                raise DataError(f"{path} declares an empty array.", CURE)
            if count > most_bytes(path):
                raise DataError(
                    f"{path} declares {count} bytes in its header, far more than it holds.",
                    "It is truncated or damaged; download or copy it again.",
                )
            content = read_exactly(file, count, path)
    except READ_ERRORS as error:
        raise explain_os_error(error, path) from error
    return np.frombuffer(content, np.uint8).reshape(shape)


def idx_header(shape: Sequence[int]) -> bytes:
    """Return the header of an IDX file of unsigned bytes of this shape."""
    return struct.pack(f">HBB{len(shape)}I", 0, UBYTE, len(shape), *shape)


def _read_shape(file: IO[bytes], path: Path) -> tuple[int, ...]:
    magic = file.read(4)
    if not magic:
        raise DataError(f"{path} is empty.", "Download or copy it again.")
    if len(magic) < 4 or magic[:2] != b"\0\0" or magic[3] not in range(1, 5):
        raise DataError(f"{path} is not an IDX file: its magic number is {magic.hex()}.", CURE)
    if magic[2] != UBYTE:
        raise DataError(f"{path} holds IDX elements of type {magic[2]:#04x}, not bytes.", CURE)
    dimensions = magic[3]
    header = file.read(4 * dimensions)
    if len(header) < 4 * dimensions:
        raise DataError(f"{path} is truncated in its header.", "Download or copy it again.")
    return struct.unpack(f">{dimensions}I", header)


def read_idx_images(path: Path) -> Dataset:
    """Read a file of images without labels."""
    images = read_idx(path)
    return Dataset(checked_pixels(images, str(path)), None, str(path), image_shape(images.shape))


def read_idx_pair(images: Path, labels: Path) -> Dataset:
    """Read a file of images and the file of their labels.

    Raises
    ------
    DataError
        If a file is not valid, or their numbers of rows differ.
    """
    data = read_idx_images(images)
    return replace(data, y=checked_labels(read_idx(labels), len(data), str(labels)))


def labels_beside(images: Path) -> Path | None:
    """Return the label file that matches an image file's name, if it exists."""
    name = images.name.replace("images", "labels").replace("idx3", "idx1")
    stem = name.removesuffix(".gz")
    for candidate in (
        images.with_name(name),
        images.with_name(stem),
        images.with_name(stem + ".gz"),
    ):
        if candidate != images and exists(candidate):
            return candidate
    return None
