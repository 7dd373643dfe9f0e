"""Reading a folder written by `mnn-gpu convert`, some rows at a time."""

from __future__ import annotations

import math
from collections.abc import Generator
from io import FileIO
from pathlib import Path
from typing import IO, Any, cast

import numpy as np
import numpy.typing as npt

from mnn_gpu.data.blocks import Blocks, Piece
from mnn_gpu.data.dataset import Dataset
from mnn_gpu.data.npy_folder.index import CURE, images_name, labels_name, read_index
from mnn_gpu.data.pixel_dtype import of_kind
from mnn_gpu.data.pixels import scale_of
from mnn_gpu.data.untrusted_files import explain_os_error, is_folder
from mnn_gpu.errors import DataError
from mnn_gpu.storage.regular_file import open_regular

BLOCK = 3 << 20
"""Approximate bytes of images in a block: large enough for the full speed of a disk, small
enough that a pass can mix many of them."""


class NpyFolder(Blocks):
    """Images and labels in NumPy files with an index.

    The header and the size of each file are compared with the index when the folder is opened;
    the digest is read from the index, not recomputed. No files are kept open or memory-mapped:
    reading a mapped file after it was truncated would end the process.

    Parameters
    ----------
    folder : Path

    Raises
    ------
    DataError
        If the index or a file is missing, damaged, or inconsistent with the other.
    """

    def __init__(self, folder: Path) -> None:
        index = read_index(folder)
        self.folder, self.source = folder, str(folder)
        self.features, self.dtype = index.features, np.dtype(index.dtype)
        self.image_shape, self.labelled, self.digest = (
            index.image_shape,
            index.labelled,
            index.digest,
        )
        self._largest, self.feature_names = index.largest, index.feature_names
        self._classes = np.array([label for label, _ in index.classes], np.int64)
        # The offsets of the arrays in their files, by file name.
        self._begins: dict[str, int] = {}
        for number, rows in enumerate(index.files):
            self._check_file(images_name(number), (rows, self.features), self.dtype)
            if self.labelled:
                self._check_file(labels_name(number), (rows,), np.dtype(np.int64))
        self._firsts = np.cumsum([0, *index.files])
        self.bounds = _bounds(index.files, self.features * self.dtype.itemsize)

    @property
    def classes(self) -> npt.NDArray[np.int64]:
        """The distinct labels of all rows, sorted; empty without labels."""
        return self._classes

    @property
    def pixel_max(self) -> float:
        """The scale of the pixels, from the index."""
        return super().pixel_max if self._largest is None else scale_of(self._largest)

    def pieces(self, block: int, start: int, stop: int) -> Generator[Piece, None, None]:
        """Yield rows of one block (see `Blocks`), in one piece."""
        yield self.read(block, start, stop)

    def read(self, block: int, start: int, stop: int) -> Piece:
        """Read rows of one block (see `Blocks`)."""
        first = int(self.bounds[block])
        number = int(np.searchsorted(self._firsts, first, side="right")) - 1
        at = first - int(self._firsts[number]) + start
        rows = stop - start
        images = self._rows(images_name(number), at, (rows, self.features), self.dtype)
        X = of_kind(images, self.dtype, str(self.folder / images_name(number)), at)
        return X, self._labels(number, at, rows) if self.labelled else None

    def _labels(self, number: int, at: int, rows: int) -> npt.NDArray[np.int64]:
        y: npt.NDArray[np.int64] = self._rows(labels_name(number), at, (rows,), np.dtype(np.int64))
        strange = ~np.isin(y, self._classes)
        if strange.any():
            row = int(np.argmax(strange))
            raise DataError(
                f"{self.folder / labels_name(number)}, row {at + row + 1}: the index has no "
                f"class {y[row]}.",
                CURE,
            )
        return y

    def _check_file(self, name: str, shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
        """Check that a file has the size and header of the array that the index describes."""
        path = self.folder / name
        if is_folder(path):
            raise DataError(f"{path} is a folder, not a NumPy file.", CURE)
        try:
            with open_regular(path) as file:
                begin = _begin(file, shape, dtype)
                size = file.seek(0, 2)
        except OSError as error:
            raise explain_os_error(error, path) from error
        except Exception as error:
            # NumPy's header parser raises almost any exception.
            raise DataError(f"{path} does not match the index ({error}).", CURE) from error
        self._begins[name] = begin
        if size != (expected := begin + math.prod(shape) * dtype.itemsize):
            raise DataError(f"{path} has {size:,} bytes instead of {expected:,}.", CURE)

    def _rows(self, name: str, at: int, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Any:
        """Read rows of a file, starting at row ``at``."""
        path, array = self.folder / name, np.empty(shape, dtype)
        try:
            with open_regular(path, buffering=0) as file:
                file.seek(self._begins[name] + at * math.prod(shape[1:]) * dtype.itemsize)
                _fill(cast("FileIO", file), array)
        except OSError as error:
            raise explain_os_error(error, path) from error
        except EOFError as error:
            raise DataError(f"{path} has been truncated.", CURE) from error
        return array


def read_folder(folder: Path, labelled: bool = True) -> Dataset:
    """Read a converted folder into memory.

    Parameters
    ----------
    folder : Path
    labelled : bool
        Whether labels are required.

    Raises
    ------
    DataError
    """
    blocks = NpyFolder(folder)
    X, y = blocks.joined((piece for _, piece in blocks.whole()), len(blocks))
    data = Dataset(X, y, str(folder), blocks.image_shape, blocks.feature_names)
    if labelled:
        data.labels()
    return data


def _begin(file: IO[bytes], shape: tuple[int, ...], dtype: np.dtype[Any]) -> int:
    """Read a header, check that it describes the given C-ordered array; return the data offset."""
    version = np.lib.format.read_magic(file)
    if version != (1, 0):
        raise ValueError(f"version {version} of the .npy format")
    found, fortran, kind = np.lib.format.read_array_header_1_0(file)
    if (found, kind) != (shape, dtype) or (fortran and len(shape) > 1):
        order = " in Fortran order" if fortran else ""
        raise ValueError(f"{kind} of shape {found}{order} instead of {dtype} of shape {shape}")
    return file.tell()


def _fill(file: FileIO, array: npt.NDArray[Any]) -> None:
    """Read an array, in several reads if necessary.

    Raises
    ------
    EOFError
    """
    room = array.reshape(-1).view(np.uint8).data
    while len(room):
        got = file.readinto(room)
        if not got:
            raise EOFError
        room = room[got:]


def _bounds(files: tuple[int, ...], row_bytes: int) -> npt.NDArray[np.int64]:
    """Divide each file into blocks of rows of about `BLOCK` bytes."""
    bounds, first = [np.zeros(1, np.int64)], 0
    for rows in files:
        blocks = min(rows, max(1, round(rows * row_bytes / BLOCK)))
        bounds.append(first + np.arange(1, blocks + 1, dtype=np.int64) * rows // blocks)
        first += rows
    return np.concatenate(bounds)
