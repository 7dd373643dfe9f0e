"""Data that stay on the disk, without some rows that are held out of them."""

from __future__ import annotations

import hashlib

import numpy as np
import numpy.typing as npt

from mnn_gpu.data.blocks import Blocks
from mnn_gpu.data.blocks_base import Piece
from mnn_gpu.data.dataset import Dataset
from mnn_gpu.errors import UsageError
from mnn_gpu.randomness import SPLIT, generator


class Remaining(Blocks):
    """The rows of a data set that are not held out.

    Parameters
    ----------
    blocks : Blocks
    left_out : (rows,), int64, sorted
        The numbers of those that are.
    """

    def __init__(self, blocks: Blocks, left_out: npt.NDArray[np.int64]) -> None:
        self.blocks = blocks
        self.left_out = left_out
        self.source, self.features, self.dtype = blocks.source, blocks.features, blocks.dtype
        self.image_shape, self.labelled = blocks.image_shape, blocks.labelled
        self.is_mapped = blocks.is_mapped
        self.bounds = blocks.bounds - np.searchsorted(left_out, blocks.bounds)
        told = f"{blocks.digest} {hashlib.blake2b(left_out.tobytes()).hexdigest()}"
        self.digest = hashlib.blake2b(told.encode(), digest_size=16).hexdigest()

    @property
    def classes(self) -> npt.NDArray[np.int64]:
        """The distinct labels of all rows, the held-out ones too."""
        return self.blocks.classes

    def read(self, block: int, start: int, stop: int) -> Piece:
        """Read rows of one block (see `Blocks`)."""
        first, last = self.blocks.bounds[block : block + 2]
        begin, end = np.searchsorted(self.left_out, (first, last))
        if begin == end or start == stop:
            return self.blocks.read(block, start, stop)
        rows = np.delete(np.arange(last - first), self.left_out[begin:end] - first)[start:stop]
        X, y = self.blocks.read(block, int(rows[0]), int(rows[-1]) + 1)
        rows -= rows[0]
        return X[rows], None if y is None else y[rows]


def split_blocks(blocks: Blocks, holdout: int, seed: int = 0) -> tuple[Blocks, Dataset]:
    """Hold out some rows, at random; see `dataset.split`.

    Parameters
    ----------
    blocks : Blocks
    holdout : int
        How many; they are read into memory.
    seed : int

    Returns
    -------
    training : Blocks
    held_out : Dataset

    Raises
    ------
    UsageError
        If that leaves no row to train on.
    DataError
    """
    if not 0 <= holdout < len(blocks):
        raise UsageError(
            f"{holdout} of {len(blocks)} rows are to be held out, which leaves none to train on.",
            f"Take --holdout from 0 to {max(len(blocks) - 1, 0)}.",
        )
    chosen = generator(SPLIT, seed).choice(len(blocks), holdout, replace=False, shuffle=False)
    left_out = np.sort(chosen.astype(np.int64))
    return Remaining(blocks, left_out) if holdout else blocks, _taken(blocks, left_out)


def _taken(blocks: Blocks, rows: npt.NDArray[np.int64]) -> Dataset:
    """Read these rows, in this order, which is that of the data."""
    X = np.empty((len(rows), blocks.features), blocks.dtype)
    y = np.empty(len(rows), np.int64)
    ends = np.searchsorted(rows, blocks.bounds)
    for block in np.flatnonzero(np.diff(ends)).tolist():
        begin, end = ends[block], ends[block + 1]
        own = rows[begin:end] - blocks.bounds[block]
        pixels, labels = blocks.read(block, int(own[0]), int(own[-1]) + 1)
        X[begin:end] = pixels[own - own[0]]
        if labels is not None:
            y[begin:end] = labels[own - own[0]]
    return Dataset(X, y if blocks.labelled else None, blocks.source, blocks.image_shape)
