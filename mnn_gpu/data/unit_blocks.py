"""Data on disk with pixels that are scaled when read."""

from __future__ import annotations

from collections.abc import Generator

import numpy as np

from mnn_gpu.data.blocks import Blocks, ChangedBlocks, Piece
from mnn_gpu.data.pixels import BYTES, unit_pixels
from mnn_gpu.errors import DataError


def in_unit_range(blocks: Blocks, pixel_max: float) -> Blocks:
    """Return the same data, as uint8 from 0 to 255 or as floats from 0 to 1.

    Parameters
    ----------
    blocks : Blocks
    pixel_max : float
        The value that is scaled to 1.
    """
    is_bytes = blocks.dtype == np.uint8
    if pixel_max == (BYTES if is_bytes else 1):
        return blocks
    return UnitBlocks(blocks, pixel_max)


class UnitBlocks(ChangedBlocks):
    """Blocks whose pixels are divided by their largest possible value.

    Parameters
    ----------
    blocks : Blocks
    pixel_max : float
    """

    def __init__(self, blocks: Blocks, pixel_max: float) -> None:
        super().__init__(blocks)
        self.divisor, self.dtype = pixel_max, np.dtype(np.float32)

    @property
    def pixel_max(self) -> float:
        """The scale of the pixels after the division."""
        return 1.0

    def pieces(self, block: int, start: int, stop: int) -> Generator[Piece, None, None]:
        """Yield rows of one block (see `Blocks`).

        Raises
        ------
        DataError
            Also if a pixel exceeds the given largest value.
        """
        for X, y in self.blocks.pieces(block, start, stop):
            if X.size and X.max() > self.divisor:
                raise DataError(
                    f"{self.source} has a pixel of {X.max()}, above {self.divisor:g}.",
                    "Give the largest value that a pixel can have.",
                )
            yield unit_pixels(X, self.divisor), y
