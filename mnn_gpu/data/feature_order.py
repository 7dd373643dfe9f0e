"""Reordering the features of data to match a model, by name."""

from __future__ import annotations

import hashlib
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from mnn_gpu.data.blocks import Blocks, MappedBlocks
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
    names = blocks.feature_names
    order = order_of(names, model_names, blocks.source)
    if names is None or order is None:
        return blocks
    digest = hashlib.blake2b(order.tobytes()).hexdigest()
    ordered = MappedBlocks(blocks, partial(np.take, indices=order, axis=1), digest)
    ordered.feature_names = tuple(names[i] for i in order.tolist())
    return ordered
