"""Data on disk without the held-out rows."""

from __future__ import annotations

import hashlib
from collections.abc import Generator

import numpy as np
import numpy.typing as npt

from mnn_gpu.data.blocks import Blocks, ChangedBlocks, Piece
from mnn_gpu.data.dataset import Dataset, check_holdout
from mnn_gpu.utils.random_streams import SPLIT, generator


class Remaining(ChangedBlocks):
    """The rows of a data set that are not held out.

    Parameters
    ----------
    blocks : Blocks
    left_out : (rows,), int64, sorted
        Indices of the held-out rows.
    """

    def __init__(self, blocks: Blocks, left_out: npt.NDArray[np.int64]) -> None:
        super().__init__(blocks, hashlib.blake2b(left_out.tobytes()).hexdigest())
        self.left_out = left_out
        self.bounds = blocks.bounds - np.searchsorted(left_out, blocks.bounds)

    def pieces(self, block: int, start: int, stop: int) -> Generator[Piece, None, None]:
        """Yield rows of one block (see `Blocks`)."""
        if start == stop:
            return
        first, last = self.blocks.bounds[block : block + 2]
        begin, end = np.searchsorted(self.left_out, (first, last))
        gaps = self.left_out[begin:end] - first
        # The number of rows of the block that are kept before each held-out one.
        kept = gaps - np.arange(len(gaps))
        at, until = (row + int(np.searchsorted(kept, row, "right")) for row in (start, stop - 1))
        for X, y in self.blocks.pieces(block, at, until + 1):
            here = gaps[slice(*np.searchsorted(gaps, (at, at + len(X))))] - at
            at += len(X)
            if len(here):
                yield np.delete(X, here, 0), None if y is None else np.delete(y, here)
            else:
                yield X, y


def split_blocks(blocks: Blocks, holdout: int, seed: int = 0) -> tuple[Blocks, Dataset]:
    """Hold out some rows at random; see `dataset.split`.

    Parameters
    ----------
    blocks : Blocks
    holdout : int
        Number of rows; they are read into memory.
    seed : int

    Returns
    -------
    training : Blocks
    held_out : Dataset

    Raises
    ------
    UsageError
        If no row is left for training.
    DataError
    """
    check_holdout(holdout, len(blocks))
    chosen = generator(SPLIT, seed).choice(len(blocks), holdout, replace=False, shuffle=False)
    left_out = np.sort(chosen.astype(np.int64))
    X, y = blocks.joined(_taken(blocks, left_out), holdout)
    held_out = Dataset(X, y, blocks.source, blocks.image_shape)
    return Remaining(blocks, left_out) if holdout else blocks, held_out


def _taken(blocks: Blocks, rows: npt.NDArray[np.int64]) -> Generator[Piece, None, None]:
    """Yield the given rows, in the order of the data."""
    ends = np.searchsorted(rows, blocks.bounds)
    for block in np.flatnonzero(np.diff(ends)).tolist():
        own = rows[ends[block] : ends[block + 1]] - blocks.bounds[block]
        at = int(own[0])
        for X, y in blocks.pieces(block, at, int(own[-1]) + 1):
            here = own[slice(*np.searchsorted(own, (at, at + len(X))))] - at
            yield X[here], None if y is None else y[here]
            at += len(X)
