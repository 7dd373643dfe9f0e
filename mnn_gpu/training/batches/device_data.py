"""The data of a run on the device: what data in memory and streamed data have in common."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

import array_api_compat.numpy
import numpy as np
import numpy.typing as npt

from mnn_gpu.backends import Backend
from mnn_gpu.data.dataset import image_shape
from mnn_gpu.data.feature_order import in_order
from mnn_gpu.data.labels import checked_labels, class_index
from mnn_gpu.data.pixels import checked_pixels, unit_pixels
from mnn_gpu.errors import DataError, UsageError
from mnn_gpu.nn import network
from mnn_gpu.nn.augmentation import deformation_basis
from mnn_gpu.step.batch import Batch, StepData
from mnn_gpu.step.microbatches import Microbatch, split_rows
from mnn_gpu.step.sharding import BatchSharding
from mnn_gpu.training.batches.plan import BatchPlan
from mnn_gpu.training.config import TrainingConfig

Array: TypeAlias = Any
Labelled: TypeAlias = tuple[npt.ArrayLike, npt.ArrayLike]


class Epoch(Protocol):
    """One pass over the data, from a batch on."""

    def batch(self, scalars: Array, place: int, steps: int) -> Batch:
        """Return the batches of the next steps; to be called in their order."""


@dataclass(kw_only=True)
class DeviceData(ABC):
    """The data of a run.

    Attributes
    ----------
    rows, features : int
    row_bytes : int
        Bytes that are read from the disk for each row; 0 if the data are in memory.
    microbatches : iterable of (X, labels)
        All rows, for evaluation and for steps that use all of them.
    validation : list of (X, labels)
        This rank's microbatches of the held-out rows.
    has_validation : bool
        Whether there are held-out rows, even if none is this rank's.
    classes : (classes,), int64 or str, on the host
        The label of each class index.
    image_shape : (height, width) or None
        If the images are deformed.
    basis : (fields, features), floating, or None
        See `augmentation.deformation_basis`.
    input_scale : float
        Factor of the inputs, which are from 0 to 1.
    pixel_max : float
        See `Model`.
    feature_names : tuple of str or None
        See `Model`.
    """

    rows: int
    features: int
    row_bytes: int = 0
    microbatches: Iterable[Microbatch]
    validation: list[Microbatch]
    has_validation: bool
    classes: npt.NDArray[Any]
    image_shape: tuple[int, int] | None
    basis: Array | None
    input_scale: float
    pixel_max: float
    feature_names: tuple[str, ...] | None

    @abstractmethod
    def step_data(self, is_weight: Array | None = None) -> StepData:
        """Return the arrays that all steps have in common."""

    @abstractmethod
    def epoch(self, plan: BatchPlan, number: int, place: int) -> Epoch:
        """Return an epoch, counted from 0, from the batch at a place on."""

    @abstractmethod
    def batch_rows(self, plan: BatchPlan, iteration: int) -> npt.NDArray[np.integer[Any]]:
        """Return the indices of the rows in the batch of an iteration, counted from 1."""

    def split(self, shard_rows: int) -> None:
        """Split all rows again, into microbatches of ``shard_rows`` at most."""
        self.validation = [m for X, y in self.validation for m in split_rows(X.T, y, shard_rows)]


def known_classes(classes: npt.ArrayLike) -> npt.NDArray[Any]:
    """Return the labels that there may be, each once, sorted; a DataError if they are invalid."""
    return np.unique(checked_labels(classes, np.size(classes), "classes"))


def input_scale(some: npt.NDArray[Any]) -> float:
    """Return the factor that scales the inputs to a mean square of 1, from some of the rows."""
    mean_square = float(np.mean(np.square(network.scale_pixels(some, np.float64))))
    return 1 / math.sqrt(mean_square) if mean_square else 1.0


def deformation(
    X_shape: tuple[int, ...], features: int, config: TrainingConfig, backend: Backend
) -> tuple[tuple[int, int] | None, Array | None]:
    """Return height and width of the images and the basis of their deformations, if any.

    Raises
    ------
    UsageError
        If height and width are unknown or do not fit.
    """
    if config.augmentation is None:
        return None, None
    shape = config.image_shape or _shape_of(X_shape)
    if shape[0] * shape[1] != features:
        raise UsageError(
            f"Images of {shape[0]} x {shape[1]} do not have {features} pixels.",
            "Give their height and width with --image-shape.",
        )
    basis = deformation_basis(config.augmentation, shape, array_api_compat.numpy)
    return shape, backend.asarray(basis, dtype=config.dtype)


def _shape_of(shape: tuple[int, ...]) -> tuple[int, int]:
    """Return height and width of images; rows of features are taken as square images."""
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


def held_out_microbatches(
    validation: Labelled | None,
    features: int,
    names: tuple[str, ...] | None,
    pixel_max: float,
    classes: npt.NDArray[Any],
    config: TrainingConfig,
    backend: Backend,
    sharding: BatchSharding | None,
) -> list[Microbatch]:
    """Check held-out rows, if any, and return this rank's microbatches of them on the device."""
    if validation is None:
        return []
    X = unit_pixels(held_out_pixels(validation, names), pixel_max)
    if X.shape[1] != features:
        raise DataError(
            f"The validation images have {X.shape[1]} pixels, the training images {features}.",
            "Give both in the same size.",
        )
    y = checked_labels(validation[1], len(X), "validation y")
    labels = class_index(classes, y, "validation y")
    microbatches = split_rows(
        backend.asarray(X), backend.asarray(labels), config.shard_rows or backend.shard_rows
    )
    if sharding is None:
        return microbatches
    return [microbatches[i] for i in sharding.own_of(len(microbatches))]


def held_out_pixels(validation: Labelled, names: tuple[str, ...] | None) -> npt.NDArray[Any]:
    """Return the checked images of held-out rows."""
    if len(validation) != 2:
        raise UsageError("validation is not a pair.", "Give (X, y).")
    return checked_pixels(in_order(validation[0], names, "validation X"), "validation X")
