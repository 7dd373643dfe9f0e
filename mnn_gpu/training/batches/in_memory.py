"""Data in the device's memory; a batch is the indices of its rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from mnn_gpu.backends import Backend
from mnn_gpu.data.dataset import Dataset, labelled_arrays
from mnn_gpu.data.feature_order import names_of
from mnn_gpu.data.labels import checked_labels, class_index, several_classes
from mnn_gpu.data.pixels import checked_pixels, found_scale, plain_array, unit_pixels
from mnn_gpu.step.batch import Batch, StepData
from mnn_gpu.step.microbatches import Microbatch, scaled, split_at, split_rows
from mnn_gpu.step.sharding import BatchSharding
from mnn_gpu.training.batches.device_data import (
    DeviceData,
    Labelled,
    deformation,
    held_out_microbatches,
    held_out_pixels,
    input_scale,
    known_classes,
)
from mnn_gpu.training.batches.noise import batch_noise, own_parts
from mnn_gpu.training.batches.plan import BatchPlan
from mnn_gpu.training.config import TrainingConfig

Array: TypeAlias = Any

SCALE_ROWS = 4096
"""Number of rows, roughly, from which the scale of the inputs is computed."""


@dataclass(kw_only=True)
class InMemoryData(DeviceData):
    """Data in the device's memory: X, (rows, features), and labels, (rows,), as class indices.

    ``half_turned``, (rows,), on the host, says which images are rotated by half the angle.
    """

    X: Array
    labels: Array
    half_turned: npt.NDArray[np.bool_]
    workers: int
    sharding: BatchSharding | None

    def step_data(self, is_weight: Array | None = None) -> StepData:
        return StepData(self.X, self.labels, tuple(self.microbatches), is_weight, self.basis)

    def epoch(self, plan: BatchPlan, number: int, place: int) -> InMemoryEpoch:
        return InMemoryEpoch(plan, self.half_turned, number, place)

    def batch_rows(self, plan: BatchPlan, iteration: int) -> npt.NDArray[np.integer[Any]]:
        number, place = plan.place_of(iteration)
        return plan.order(number)[place * plan.size : (place + 1) * plan.size]

    def split(self, shard_rows: int) -> None:
        super().split(shard_rows)
        own = self.X, self.labels, shard_rows, self.workers, self.sharding
        self.microbatches = _microbatches(*own)


def to_device(
    X: npt.ArrayLike | Dataset,
    y: npt.ArrayLike | None,
    validation: Labelled | None,
    classes: npt.ArrayLike | None,
    config: TrainingConfig,
    backend: Backend,
    sharding: BatchSharding | None = None,
) -> InMemoryData:
    """Check the data and copy them to the device; the parameters are those of `train`.

    With ``sharding`` the microbatches, training and held-out, are those of this rank.

    Raises
    ------
    DataError
        If pixels or labels are invalid, or the validation rows do not fit.
    UsageError
        If ``validation`` is not a pair.
    """
    names = names_of(X)
    X, y = labelled_arrays(X, y)
    X = plain_array(X, "X")
    X_shape = X.shape
    pixels = checked_pixels(X, "X")
    held_out = [] if validation is None else [held_out_pixels(validation, names)]
    pixel_max = found_scale([pixels, *held_out], config.pixel_max)
    pixels = unit_pixels(pixels, pixel_max)
    features = pixels.shape[1]
    y = checked_labels(y, len(pixels), "y")
    known = several_classes(np.unique(y), "y") if classes is None else known_classes(classes)
    shard_rows = config.shard_rows or backend.shard_rows
    X, labels = backend.asarray(pixels), backend.asarray(class_index(known, y, "y"))
    microbatches = _microbatches(X, labels, shard_rows, backend.workers, sharding)
    scale = 1.0
    if config.scale_inputs:
        scale = input_scale(pixels[:: max(len(pixels) // SCALE_ROWS, 1)])
    if config.steps_per_epoch(len(pixels)) == 1 and backend.prescales_pixels and scale == 1:
        microbatches = scaled(microbatches, backend.dtype(config.dtype), backend.memory().free)
    where = known, config, backend, sharding
    validated = held_out_microbatches(validation, features, names, pixel_max, *where)
    shape, basis = deformation(X_shape, features, config, backend)
    half_turned = np.zeros(len(y), bool)
    if config.augmentation is not None:
        half_turned = np.isin(y, config.augmentation.half_turned)
    return InMemoryData(
        rows=len(pixels),
        features=features,
        X=X,
        labels=labels,
        microbatches=microbatches,
        validation=validated,
        has_validation=validation is not None,
        classes=known,
        image_shape=shape,
        basis=basis,
        half_turned=half_turned,
        workers=backend.workers,
        sharding=sharding,
        input_scale=scale,
        pixel_max=pixel_max,
        feature_names=names,
    )


def _microbatches(
    X: Array, labels: Array, shard_rows: int, workers: int, sharding: BatchSharding | None
) -> list[Microbatch]:
    if sharding is None:
        return split_rows(X, labels, shard_rows, workers)
    return split_at(X, labels, sharding.runs(X.shape[0], shard_rows))


class InMemoryEpoch:
    """One pass over data in memory: its order and its random numbers, from a batch on."""

    def __init__(
        self, plan: BatchPlan, half_turned: npt.NDArray[np.bool_], number: int, place: int
    ) -> None:
        self.plan = plan
        self.half_turned = half_turned
        self.uses_all_rows = plan.per_epoch == 1 and not plan.config.is_random
        self.order: npt.NDArray[np.int32] = np.empty(0, np.int32)
        if not self.uses_all_rows:
            self.order = plan.order(number)
        self.on_device = plan.backend.asarray(self.order)
        self.noise = plan.noise(number, place)

    def batch(self, scalars: Array, place: int, steps: int) -> Batch:
        plan, m = self.plan, self.plan.batch_rows(place)
        weight = plan.sample_weight(m, steps)
        if self.uses_all_rows:
            return Batch(scalars, sample_weight=weight)
        parts = plan.parts(m)
        here = slice(place * plan.size, place * plan.size + steps * m)
        own = slice(parts[0].start, parts[-1].stop)
        rows = plan.backend.xp.reshape(self.on_device[here], (steps, m))[:, own]
        if not plan.config.is_random:
            return Batch(scalars, rows, sample_weight=weight)
        half_turned = self.half_turned[self.order[here].reshape(steps, m)[:, own]]
        drawn = batch_noise(
            self.noise, own_parts(parts), half_turned, plan.task, plan.backend.asarray
        )
        return Batch(scalars, rows, *drawn, weight)
