"""Transposing images that are stored with rows and columns exchanged, as in EMNIST."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import partial
from typing import Any, TypeVar, cast

import numpy as np
import numpy.typing as npt

from mnn_gpu.data.blocks import Blocks, MappedBlocks
from mnn_gpu.data.dataset import Dataset
from mnn_gpu.errors import DataError

Shape = tuple[int, int]
D = TypeVar("D", Dataset, Blocks)


def transposed(data: D) -> D:
    """Return the same data with the rows and columns of each image exchanged.

    Parameters
    ----------
    data : Dataset or Blocks
        If its ``image_shape`` is not known, the images are assumed to be square.

    Raises
    ------
    DataError
        If the number of pixels is not a square.
    """
    features = data.features if isinstance(data, Blocks) else data.X.shape[1]
    height, width = _shape(data.image_shape, features, data.source)
    names = _exchanged_names(data.feature_names, height, width)
    exchanged = partial(_exchanged, height=height, width=width)
    if isinstance(data, Blocks):
        blocks = MappedBlocks(data, exchanged, "transposed")
        blocks.image_shape, blocks.feature_names = (width, height), names
        return cast("D", blocks)
    X = exchanged(data.X)
    return replace(data, X=X, image_shape=(width, height), feature_names=names)


def _exchanged(X: npt.NDArray[Any], height: int, width: int) -> npt.NDArray[Any]:
    return X.reshape(-1, height, width).swapaxes(1, 2).reshape(len(X), -1)


def _exchanged_names(
    names: tuple[str, ...] | None, height: int, width: int
) -> tuple[str, ...] | None:
    if names is None:
        return None
    order = _exchanged(np.arange(height * width)[None], height, width)[0]
    return tuple(names[i] for i in order.tolist())


def _shape(known: Shape | None, features: int, source: str) -> Shape:
    side = math.isqrt(features)
    if known is None and side * side != features:
        raise DataError(
            f"The images of {source} have {features} pixels, which is not a square number.",
            "Transpose them before they are saved.",
        )
    return known or (side, side)
