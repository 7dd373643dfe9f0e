"""Reordering the features of data to match a model, by name."""

from __future__ import annotations

import hashlib
from collections.abc import Generator
from typing import Any

import numpy as np
import numpy.typing as npt

from mnn_gpu.data.blocks import Blocks, ChangedBlocks, Piece
from mnn_gpu.data.dataset import Dataset
from mnn_gpu.data.feature_names import Names, order_of, text_names
from mnn_gpu.data.pixels import plain_array


def names_of(X: Any) -> Names | None:
    """Return the feature names of a Dataset, Blocks or a data frame, or None."""
    if isinstance(X, Dataset | Blocks):
        return X.feature_names
    return text_names(getattr(X, "columns", None))


def in_order(
    X: npt.ArrayLike | Dataset, model_names: Names | None, source: str
) -> npt.NDArray[Any]:
    """Return images as an array, with the features in the order of a model; see `order_of`.

    Parameters
    ----------
    X : Dataset, data frame or array
    model_names : tuple of str or None
        The names of the model's features.
    source : str
        For messages, if X is not a Dataset.

    Raises
    ------
    DataError
    """
    names = None if model_names is None else names_of(X)
    if isinstance(X, Dataset):
        source, X = X.source, X.X
    array = plain_array(X, source)
    order = order_of(names, model_names, source)
    return array if order is None else array[:, order]


def blocks_in_order(blocks: Blocks, model_names: Names | None) -> Blocks:
    """Return data on disk with the features in the order of a model; see `order_of`.

    Raises
    ------
    DataError
    """
    order = order_of(blocks.feature_names, model_names, blocks.source)
    return blocks if order is None else OrderedBlocks(blocks, order)


class OrderedBlocks(ChangedBlocks):
    """Blocks whose features are reordered when read.

    Parameters
    ----------
    blocks : Blocks
    order : (features,), int
        Position in the blocks of each feature.
    """

    def __init__(self, blocks: Blocks, order: npt.NDArray[np.intp]) -> None:
        super().__init__(blocks, hashlib.blake2b(order.tobytes()).hexdigest())
        self.order = order
        names = blocks.feature_names or ()
        self.feature_names = tuple(names[i] for i in order.tolist())

    def pieces(self, block: int, start: int, stop: int) -> Generator[Piece, None, None]:
        """Yield rows of one block (see `Blocks`)."""
        for X, y in self.blocks.pieces(block, start, stop):
            yield X[:, self.order], y
