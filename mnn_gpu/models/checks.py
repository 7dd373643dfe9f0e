"""Checks of the images passed to a model, and that all ranks were given the same data."""

from __future__ import annotations

from typing import Any

import numpy.typing as npt

from mnn_gpu.backends import Backend
from mnn_gpu.data.blocks import Blocks
from mnn_gpu.data.dataset import Dataset
from mnn_gpu.data.digest import digest_of_data
from mnn_gpu.data.feature_order import blocks_in_order, in_order
from mnn_gpu.data.pixels import checked_pixels, chosen_scale, fitting_scale, unit_pixels
from mnn_gpu.data.unit_blocks import in_unit_range
from mnn_gpu.distributed.agreement import check_same
from mnn_gpu.distributed.process_group import ProcessGroup
from mnn_gpu.errors import DataError
from mnn_gpu.models.model import Model


def checked_images(model: Model, X: npt.ArrayLike | Dataset, source: str) -> npt.NDArray[Any]:
    """Return images as uint8 from 0 to 255 or floats from 0 to 1, in the model's feature order."""
    source = X.source if isinstance(X, Dataset) else source
    X = checked_pixels(in_order(X, model.feature_names, source), source)
    _check_features(model, X.shape[1], source, X.size)
    return unit_pixels(X, fitting_scale(X, model.pixel_max, source))


def checked_blocks(model: Model, blocks: Blocks) -> Blocks:
    """Return blocks with the model's features in its order, scaled as in its training."""
    blocks = blocks_in_order(blocks, model.feature_names)
    _check_features(model, blocks.features, blocks.source)
    scale = chosen_scale(blocks.pixel_max, blocks.dtype, model.pixel_max, blocks.source)
    return in_unit_range(blocks, scale)


def _check_features(model: Model, features: int, source: str, size: int = 0) -> None:
    if features != model.features:
        one = "Give a single image as X[None], or" if size == model.features else "Give"
        raise DataError(
            f"The images of {source} have {features} pixels, the model was trained on "
            f"{model.features}.",
            f"{one} images of the size that the model was trained on.",
        )


def check_same_call(
    ranks: ProcessGroup, call: str, model: Model, backend: Backend, X: Any, y: Any = None
) -> None:
    """Check that all ranks have the same model and data; see `check_same`."""
    if ranks.size > 1:
        sizes = "-".join(map(str, model.layer_sizes))
        values = {
            "backend": backend.name,
            "model": f"{sizes} {model.pixel_max} {digest_of_data(model.theta, model.classes)}",
            "data or labels": digest_of_data(X, y),
        }
        check_same(ranks, call, values)
