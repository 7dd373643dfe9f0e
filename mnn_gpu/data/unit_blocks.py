"""Data on disk with pixels that are scaled when read."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from mnn_gpu.data.blocks import Blocks, MappedBlocks
from mnn_gpu.data.pixels import BYTES, unit_pixels
from mnn_gpu.errors import DataError


def in_unit_range(blocks: Blocks, pixel_max: float) -> Blocks:
    """Return the same data, as uint8 from 0 to 255 or as floats from 0 to 1.

    Reading raises a DataError if a pixel exceeds ``pixel_max``, the value that is scaled to 1.
    """
    if pixel_max == (BYTES if blocks.dtype == np.uint8 else 1):
        return blocks
    scaled = MappedBlocks(blocks, partial(_scaled, pixel_max=pixel_max, source=blocks.source))
    scaled.dtype = np.dtype(np.float32)
    return scaled


def _scaled(X: npt.NDArray[Any], pixel_max: float, source: str) -> npt.NDArray[Any]:
    if X.size and X.max() > pixel_max:
        raise DataError(
            f"{source} has a pixel of {X.max()}, above {pixel_max:g}.",
            "Give the largest value that a pixel can have.",
        )
    return unit_pixels(X, pixel_max)
