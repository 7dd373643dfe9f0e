"""The data of a training, validated on the host and placed on the device once."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import array_api_compat.numpy
import numpy as np
import numpy.typing as npt

from mnn_gpu.backends import Backend
from mnn_gpu.data.dataset import (
    Dataset,
    checked_labels,
    class_index,
    image_shape,
    labelled_arrays,
    several_classes,
)
from mnn_gpu.data.feature_order import in_order, names_of
from mnn_gpu.data.open_blocks import Blocks
from mnn_gpu.data.pixels import checked_pixels, found_scale, plain_array, unit_pixels
from mnn_gpu.errors import DataError, UsageError
from mnn_gpu.models.block_microbatches import BlockShards
from mnn_gpu.nn import network
from mnn_gpu.nn.augmentation import deformation_basis
from mnn_gpu.step.microbatches import Microbatch, scaled, split_at, split_rows
from mnn_gpu.step.sharding import BatchSharding
from mnn_gpu.training.config import TrainingConfig

Array: TypeAlias = Any
Labelled: TypeAlias = tuple[npt.ArrayLike, npt.ArrayLike]

SCALE_ROWS = 4096
"""So many rows, and some more, tell the inputs' scale."""


@dataclass
class Resident:
    """What stays on the device while a network trains.

    Attributes
    ----------
    X : (rows, features), uint8 or floating; None if the data stay on the disk
    labels : (rows,), int32 class indices, or None likewise
    shards : iterable of (X, labels)
        All rows in shards; scaled to 0..1 if the device rather has them so.
    validation : list of (X, labels)
        The held-out rows in shards.
    has_validation : bool
        Whether there are held-out rows, though it may be that none is this rank's.
    classes : (classes,), int64 or str, on the host
        The label of each class index.
    image_shape : (height, width) or None
        If the images are to be deformed.
    basis : (pictures, features), floating, or None
        See `augmentation.deformation_basis`.
    half_turned : (rows,), bool, on the host
        Which images are rotated half as far; empty if the data stay on the disk.
    input_scale : float
        What the inputs, 0 to 1, are to be multiplied with.
    pixel_max : float
        See `Model`.
    blocks : Blocks or None
        Data that stay on the disk.
    feature_names : tuple of str or None
        See `Model`.
    """

    X: Array
    labels: Array
    shards: Iterable[Microbatch]
    validation: list[Microbatch]
    has_validation: bool
    classes: npt.NDArray[Any]
    image_shape: tuple[int, int] | None
    basis: Array | None
    half_turned: npt.NDArray[np.bool_]
    input_scale: float = 1.0
    pixel_max: float = 255.0
    blocks: Blocks | None = None
    feature_names: tuple[str, ...] | None = None

    @property
    def rows(self) -> int:
        return int(self.X.shape[0]) if self.blocks is None else len(self.blocks)

    @property
    def features(self) -> int:
        return int(self.X.shape[1]) if self.blocks is None else self.blocks.features

    def split(self, shard_rows: int, workers: int, sharding: BatchSharding | None = None) -> None:
        """Split all rows into microbatches of ``shard_rows`` at most, not scaled ahead of time."""
        validation = self.validation
        self.validation = [m for X, y in validation for m in split_rows(X.T, y, shard_rows)]
        if isinstance(self.shards, BlockShards):
            self.shards = replace(self.shards, rows=shard_rows)
        else:
            self.shards = _own_shards(self.X, self.labels, shard_rows, workers, sharding)


def placed(
    X: npt.ArrayLike | Dataset,
    y: npt.ArrayLike | None,
    validation: Labelled | None,
    classes: npt.ArrayLike | None,
    config: TrainingConfig,
    backend: Backend,
    sharding: BatchSharding | None = None,
) -> Resident:
    """Check the data and bring them to the device; the parameters are those of `train`.

    With ``sharding`` the shards, training and held-out, are those that this rank works on.

    Raises
    ------
    DataError
        If pixels or labels are not such, or the validation rows do not fit.
    UsageError
        If ``validation`` is not a pair.
    """
    names = names_of(X)
    X, y = labelled_arrays(X, y)
    X = plain_array(X, "X")
    X_shape = X.shape
    pixels = checked_pixels(X, "X")
    held_out_pixels = [] if validation is None else [_held_out_pixels(validation, names)]
    pixel_max = found_scale([pixels, *held_out_pixels], config.pixel_max)
    pixels = unit_pixels(pixels, pixel_max)
    y = checked_labels(y, len(pixels), "y")
    known = several_classes(np.unique(y), "y") if classes is None else known_classes(classes)
    shard_rows = config.shard_rows or backend.shard_rows
    X, labels = backend.asarray(pixels), backend.asarray(class_index(known, y, "y"))
    shards = _own_shards(X, labels, shard_rows, backend.workers, sharding)
    dtype = backend.dtype(config.dtype)
    scale = 1.0
    if config.scale_inputs:
        scale = input_scale(pixels[:: max(len(pixels) // SCALE_ROWS, 1)])
    if config.steps_per_epoch(len(pixels)) == 1 and backend.prescales_pixels and scale == 1:
        shards = scaled(shards, dtype, backend.memory().free)
    held_out = []
    if validation is not None:
        own = known, config, backend, sharding
        held_out = held_out_shards(validation, pixels.shape[1], names, pixel_max, *own)
    shape, basis = deformation(X_shape, pixels.shape[1], config, backend)
    half_turned = np.zeros(len(y), bool)
    if config.augmentation is not None:
        half_turned = np.isin(y, config.augmentation.half_turned)
    return Resident(
        X,
        labels,
        shards,
        held_out,
        validation is not None,
        known,
        shape,
        basis,
        half_turned,
        scale,
        pixel_max,
        feature_names=names,
    )


def known_classes(classes: npt.ArrayLike) -> npt.NDArray[Any]:
    """Check the labels that there may be; return each once, sorted.

    Raises
    ------
    DataError
    """
    return np.unique(checked_labels(classes, np.size(classes), "classes"))


def _own_shards(
    X: Array, labels: Array, shard_rows: int, workers: int, sharding: BatchSharding | None
) -> list[Microbatch]:
    if sharding is None:
        return split_rows(X, labels, shard_rows, workers)
    return split_at(X, labels, sharding.runs(X.shape[0], shard_rows))


def input_scale(some: npt.NDArray[Any]) -> float:
    """Return what brings the mean square of the inputs, 0 to 1, to 1; from some of the rows."""
    mean_square = float(np.mean(np.square(network.scale_pixels(some, np.float64))))
    return 1 / math.sqrt(mean_square) if mean_square else 1.0


def deformation(
    X_shape: tuple[int, ...], features: int, config: TrainingConfig, backend: Backend
) -> tuple[tuple[int, int] | None, Array | None]:
    """Return height and width of the images and the basis of their deformations, if any.

    Raises
    ------
    UsageError
        If they have no height and width that fit.
    """
    if config.augmentation is None:
        return None, None
    shape = config.image_shape or _shape_of(X_shape)
    if shape[0] * shape[1] != features:
        raise UsageError(
            f"Images of {shape[0]} x {shape[1]} do not have {features} pixels.",
            "Give height and width as they are, with --image-shape.",
        )
    basis = deformation_basis(config.augmentation, shape, array_api_compat.numpy)
    return shape, backend.asarray(basis, dtype=config.dtype)


def _shape_of(shape: tuple[int, ...]) -> tuple[int, int]:
    """Return height and width of images; of rows of features, as if they were square."""
    found = image_shape(shape)
    if found is None and len(shape) == 2:
        side = math.isqrt(shape[1])
        found = (side, side) if side * side == shape[1] else None
    if found is None or min(found) < 2:
        raise UsageError(
            f"An array of shape {shape} holds no images that can be deformed.",
            "Give height and width with --image-shape, or train with --no-augment.",
        )
    return found


def held_out_shards(
    validation: Labelled,
    features: int,
    names: tuple[str, ...] | None,
    pixel_max: float,
    classes: npt.NDArray[Any],
    config: TrainingConfig,
    backend: Backend,
    sharding: BatchSharding | None,
) -> list[Microbatch]:
    """Check held-out rows and bring them to the device; return this rank's shards of them."""
    X = unit_pixels(_held_out_pixels(validation, names), pixel_max)
    if X.shape[1] != features:
        raise DataError(
            f"The validation images have {X.shape[1]} pixels, the training images {features}.",
            "Give both in the same size.",
        )
    y = checked_labels(validation[1], len(X), "validation y")
    labels = class_index(classes, y, "validation y")
    shards = split_rows(
        backend.asarray(X), backend.asarray(labels), config.shard_rows or backend.shard_rows
    )
    return shards if sharding is None else [shards[i] for i in sharding.own_of(len(shards))]


def _held_out_pixels(validation: Labelled, names: tuple[str, ...] | None) -> npt.NDArray[Any]:
    if len(validation) != 2:
        raise UsageError("validation is not a pair.", "Give (X, y).")
    return checked_pixels(in_order(validation[0], names, "validation X"), "validation X")
