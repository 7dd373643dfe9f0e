"""Writing a folder of NumPy files and, at the end, the index that makes it valid."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from mnn_gpu.data.blocks import MOST_CLASSES
from mnn_gpu.data.labels import LABEL_CURE
from mnn_gpu.data.npy_folder.index import INDEX, MOST_FILES, Index, images_name, labels_name
from mnn_gpu.data.npy_folder.npy_writer import NpyWriter
from mnn_gpu.errors import DataError, UsageError
from mnn_gpu.storage.atomic_write import raise_output_errors, write_atomically

FILE = 1 << 28
"""Approximate bytes of images in a file, by default."""


class FolderWriter:
    """Writes the output of `mnn-gpu convert`, some rows at a time.

    Parameters
    ----------
    folder : Path
        An empty folder, locked by `output_folder`.
    dtype : dtype
        The type of the images: uint8 or float32.
    features : int
    labelled : bool
    rows_per_file : int, optional
        Default: the number for which a file of images has about 256 MB.

    Attributes
    ----------
    rows, size : int
        Rows and bytes written so far.

    Raises
    ------
    OutputError
        From any method.
    """

    def __init__(
        self,
        folder: Path,
        dtype: npt.DTypeLike,
        features: int,
        labelled: bool,
        rows_per_file: int | None = None,
    ) -> None:
        self.folder, self.dtype, self.features = folder, np.dtype(dtype), features
        self.labelled = labelled
        self.rows_per_file = rows_per_file or max(1, FILE // (features * self.dtype.itemsize))
        self.rows = self.size = 0
        self._largest: int | None = 0 if self.dtype == np.uint8 else None
        self._files: list[int] = []
        self._open: list[NpyWriter] = []
        self._counts: dict[int, int] = {}
        self._digests = [hashlib.blake2b(digest_size=16) for _ in range(1 + labelled)]

    def write(self, X: npt.NDArray[Any], y: npt.NDArray[np.int64] | None) -> None:
        """Append rows.

        Parameters
        ----------
        X : (rows, features), `dtype`
        y : (rows,), int64, or None

        Raises
        ------
        DataError
            If there are too many classes.
        UsageError
            If there are too many files.
        """
        if y is not None:
            self._count(y)
        if self._largest is not None:
            self._largest = max(self._largest, int(X.max(initial=0)))
        arrays = [np.ascontiguousarray(X)] + ([y] if y is not None else [])
        at = 0
        with raise_output_errors(self.folder):
            while at < len(X):
                written = self._open[0].rows if self._open else 0
                stop = at + self.rows_per_file - written
                self._append([array[at:stop] for array in arrays])
                at = stop
        for digest, array in zip(self._digests, arrays, strict=True):
            digest.update(np.ascontiguousarray(array).data)
        self.rows += len(X)

    def finish(
        self,
        image_shape: tuple[int, int] | None,
        feature_names: tuple[str, ...] | None = None,
    ) -> Index:
        """Write the last rows and the index; return the index."""
        with raise_output_errors(self.folder):
            self._close_files()
        index = Index(
            rows=self.rows,
            features=self.features,
            dtype=str(self.dtype),
            labelled=self.labelled,
            image_shape=image_shape,
            classes=tuple(sorted(self._counts.items())),
            files=tuple(self._files),
            digest=self._digest(image_shape),
            largest=self._largest,
            feature_names=feature_names,
        )
        write_atomically(self.folder / INDEX, index.text().encode())
        return index

    def abandon(self) -> None:
        """Close the files that are not finished."""
        for writer in self._open:
            writer.abandon()

    def _digest(self, image_shape: tuple[int, int] | None) -> str:
        """Return a digest of the data that does not depend on the division into files."""
        text = f"{self.rows} {self.features} {self.dtype} {image_shape}"
        parts = [text, *(digest.hexdigest() for digest in self._digests)]
        return hashlib.blake2b(" ".join(parts).encode(), digest_size=16).hexdigest()

    def _count(self, y: npt.NDArray[np.int64]) -> None:
        labels, counts = np.unique(y, return_counts=True)
        for label, count in zip(labels.tolist(), counts.tolist(), strict=True):
            self._counts[label] = self._counts.get(label, 0) + count
        if len(self._counts) > MOST_CLASSES:
            raise DataError(f"There are over {MOST_CLASSES:,} different labels.", LABEL_CURE)

    def _append(self, arrays: list[npt.NDArray[Any]]) -> None:
        """Write rows that fit into the current file, or into a new one."""
        if not self._open:
            self._open_files()
        for writer, array in zip(self._open, arrays, strict=True):
            writer.write(array)
        if self._open[0].rows == self.rows_per_file:
            self._close_files()

    def _open_files(self) -> None:
        number = len(self._files)
        if number == MOST_FILES:
            raise UsageError(
                f"{self.rows_per_file} rows per file make over {MOST_FILES:,} files.",
                "Use more rows per file, or leave out --rows-per-file.",
            )
        images = self.folder / images_name(number)
        self._open.append(NpyWriter(images, self.dtype, (self.features,)))
        if self.labelled:
            self._open.append(NpyWriter(self.folder / labels_name(number), np.int64, ()))

    def _close_files(self) -> None:
        if self._open:
            self._files.append(self._open[0].rows)
        while self._open:
            self.size += self._open.pop().close()
