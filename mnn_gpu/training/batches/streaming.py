"""Data that stay on the disk and are read during the run."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from mnn_gpu.backends import Backend
from mnn_gpu.data.labels import class_index, several_classes
from mnn_gpu.data.open_blocks import Blocks
from mnn_gpu.data.unit_blocks import in_unit_range
from mnn_gpu.errors import DataError, UsageError
from mnn_gpu.models.block_microbatches import BlockMicrobatches
from mnn_gpu.step.batch import Batch, StepData
from mnn_gpu.step.sharding import BatchSharding
from mnn_gpu.training.batches.device_data import (
    DeviceData,
    Labelled,
    deformation,
    held_out_microbatches,
    input_scale,
    known_classes,
)
from mnn_gpu.training.batches.epoch_order import EpochOrder
from mnn_gpu.training.batches.noise import batch_noise, own_parts
from mnn_gpu.training.batches.plan import BatchPlan
from mnn_gpu.training.batches.shard_reader import ShardReader
from mnn_gpu.training.config import TrainingConfig

Array: TypeAlias = Any

SCALE_PLACES, SCALE_ROWS = 16, 256
"""Number of places, and of rows from each on, from which the scale of the inputs is computed."""


@dataclass(kw_only=True)
class StreamedData(DeviceData):
    """Data on the disk; their batches bring the samples to the device."""

    blocks: Blocks
    microbatches: BlockMicrobatches

    def step_data(self, is_weight: Array | None = None) -> StepData:
        return StepData(None, None, (), is_weight, self.basis)

    def epoch(self, plan: BatchPlan, number: int, place: int) -> StreamedEpoch:
        return StreamedEpoch(plan, self.blocks, self.classes, number, place)

    def batch_rows(self, plan: BatchPlan, iteration: int) -> npt.NDArray[np.integer[Any]]:
        number, place = plan.place_of(iteration)
        return _order(plan, self.blocks, number).batch(place, plan.batch_rows(place))

    def split(self, shard_rows: int) -> None:
        super().split(shard_rows)
        self.microbatches = replace(self.microbatches, rows=shard_rows)


def stream_to_device(
    blocks: Blocks,
    validation: Labelled | None,
    classes: npt.ArrayLike | None,
    config: TrainingConfig,
    backend: Backend,
    sharding: BatchSharding | None = None,
) -> StreamedData:
    """Check data on the disk and prepare to read them; the parameters are those of `to_device`.

    Raises
    ------
    DataError
        If the validation rows do not fit, or labels are not among ``classes``.
    UsageError
        If each batch is to be all of the data.
    """
    if config.batch_size is None:
        raise UsageError(
            "Data that stay on the disk are trained on in batches.",
            "Give --batch-size, or read them into memory with --no-stream.",
        )
    pixel_max = blocks.pixel_max if config.pixel_max is None else config.pixel_max
    blocks = in_unit_range(blocks, pixel_max)
    if classes is None:
        known = several_classes(blocks.classes, blocks.source, blocks.label_name)
    else:
        known = known_classes(classes)
        class_index(known, blocks.classes, blocks.source)
    images = (len(blocks), *(blocks.image_shape or (blocks.features,)))
    shape, basis = deformation(images, blocks.features, config, backend)
    of_blocks = blocks.features, blocks.feature_names, pixel_max, known
    validated = held_out_microbatches(validation, *of_blocks, config, backend, sharding)
    count = len(blocks.bounds) - 1
    own = range(count) if sharding is None else sharding.own_of(count)
    rows = config.shard_rows or backend.shard_rows
    return StreamedData(
        rows=len(blocks),
        features=blocks.features,
        row_bytes=blocks.features * blocks.dtype.itemsize,
        blocks=blocks,
        microbatches=BlockMicrobatches(blocks, known, own, rows, backend),
        validation=validated,
        has_validation=validation is not None,
        classes=known,
        image_shape=shape,
        basis=basis,
        input_scale=input_scale(_some_rows(blocks)) if config.scale_inputs else 1.0,
        pixel_max=pixel_max,
        feature_names=blocks.feature_names,
    )


def _order(plan: BatchPlan, blocks: Blocks, number: int) -> EpochOrder:
    shards = 1 if plan.sharding is None else plan.sharding.shards
    return EpochOrder(blocks, plan.config.seed, number, plan.size, shards)


def _some_rows(blocks: Blocks) -> npt.NDArray[Any]:
    """Read rows from places all over the data, even if these are a single block."""
    count = len(blocks)
    parts = []
    places = sorted({count * i // SCALE_PLACES for i in range(SCALE_PLACES)})
    for place, following in pairwise([*places, count]):
        block = int(np.searchsorted(blocks.bounds, place, side="right")) - 1
        first, end = blocks.bounds[block : block + 2].tolist()
        stop = min(place + SCALE_ROWS, following, end)
        parts.append(blocks.read(block, place - first, stop - first)[0])
    return np.concatenate(parts)


class StreamedEpoch:
    """One pass over streamed data, from a batch on."""

    def __init__(
        self,
        plan: BatchPlan,
        blocks: Blocks,
        classes: npt.NDArray[Any],
        number: int,
        place: int,
    ) -> None:
        self.plan = plan
        self.blocks = blocks
        self.classes = classes
        order = _order(plan, blocks, number)
        shards = (plan.sharding or BatchSharding(1)).mine
        self.readers = [
            ShardReader(order, shard, place * (part.stop - part.start))
            for shard, part in zip(shards, plan.parts(plan.size), strict=True)
        ]
        self.noise = plan.noise(number, place)

    def batch(self, scalars: Array, place: int, steps: int) -> Batch:
        plan, m = self.plan, self.plan.batch_rows(place)
        parts = own_parts(plan.parts(m))
        X = np.empty((steps, parts[-1].stop, self.blocks.features), self.blocks.dtype)
        y = np.empty(X.shape[:2], np.int64)
        for reader, part in zip(self.readers, parts, strict=True):
            for step in range(steps):
                reader.fill(X[step, part], y[step, part])
        augmentation = plan.config.augmentation
        half_turned = np.isin(y, () if augmentation is None else augmentation.half_turned)
        labels, asarray = self._labels(y), plan.backend.asarray
        drawn = batch_noise(self.noise, parts, half_turned, plan.task, asarray)
        weight = plan.sample_weight(m, steps)
        return Batch(scalars, None, *drawn, weight, asarray(X), asarray(labels))

    def _labels(self, y: npt.NDArray[np.int64]) -> npt.NDArray[np.int32]:
        """Return class indices; all labels were known when the run began."""
        labels = np.searchsorted(self.classes, y).astype(np.int32)
        if (self.classes.take(labels, mode="clip") != y).any():
            raise DataError(
                f"{self.blocks.source} was changed while it was trained on.",
                "Leave the data as they are until the training has ended.",
            )
        return labels
