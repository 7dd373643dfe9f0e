"""Data on disk without the held-out rows."""

from __future__ import annotations

import hashlib
from collections.abc import Generator

import numpy as np
import numpy.typing as npt

from mnn_gpu.data.blocks import ChangedBlocks, Piece
from mnn_gpu.data.dataset import Dataset
from mnn_gpu.data.open_blocks import Blocks
from mnn_gpu.errors import UsageError
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
    if holdout < 0:
        most = max(len(blocks) - 1, 0)
        raise UsageError(f"holdout is {holdout}.", f"Use --holdout from 0 to {most}.")
    if holdout >= len(blocks):
        raise UsageError(
            f"{holdout} of {len(blocks)} rows are to be held out, which leaves none to train on.",
            f"Use --holdout from 0 to {max(len(blocks) - 1, 0)}.",
        )
    chosen = generator(SPLIT, seed).choice(len(blocks), holdout, replace=False, shuffle=False)
    left_out = np.sort(chosen.astype(np.int64))
    return Remaining(blocks, left_out) if holdout else blocks, _taken(blocks, left_out)


def _taken(blocks: Blocks, rows: npt.NDArray[np.int64]) -> Dataset:
    """Read the given rows, in the order of the data."""
    X = np.empty((len(rows), blocks.features), blocks.dtype)
    y = np.empty(len(rows), np.int64)
    ends = np.searchsorted(rows, blocks.bounds)
    for block in np.flatnonzero(np.diff(ends)).tolist():
        own = rows[ends[block] : ends[block + 1]] - blocks.bounds[block]
        done, at = int(ends[block]), int(own[0])
        for pixels, labels in blocks.pieces(block, at, int(own[-1]) + 1):
            chosen = own[slice(*np.searchsorted(own, (at, at + len(pixels))))] - at
            here = slice(done, done + len(chosen))
            X[here] = pixels[chosen]
            if labels is not None:
                y[here] = labels[chosen]
            done, at = here.stop, at + len(pixels)
    return Dataset(X, y if blocks.labelled else None, blocks.source, blocks.image_shape)
