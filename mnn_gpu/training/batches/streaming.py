"""Training on data that stay on the disk: they are read while the device is at work."""

from __future__ import annotations

from itertools import pairwise
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from mnn_gpu.backends import Backend
from mnn_gpu.data.dataset import class_index, several_classes
from mnn_gpu.data.open_blocks import Blocks
from mnn_gpu.data.unit_blocks import in_unit_range
from mnn_gpu.errors import DataError, UsageError
from mnn_gpu.models.block_microbatches import BlockShards
from mnn_gpu.step.batch import Batch
from mnn_gpu.step.sharding import BatchSharding
from mnn_gpu.training.batches.device_data import (
    Labelled,
    Resident,
    deformation,
    held_out_shards,
    input_scale,
    known_classes,
)
from mnn_gpu.training.batches.epoch_order import EpochOrder
from mnn_gpu.training.batches.noise import batch_draws, own_parts
from mnn_gpu.training.batches.plan import Plan
from mnn_gpu.training.batches.shard_reader import ShardReader
from mnn_gpu.training.config import TrainingConfig

Array: TypeAlias = Any

SCALE_PLACES, SCALE_ROWS = 16, 256
"""From so many places, and so many rows from each on, the scale of the inputs is told."""


def placed_blocks(
    blocks: Blocks,
    validation: Labelled | None,
    classes: npt.ArrayLike | None,
    config: TrainingConfig,
    backend: Backend,
    sharding: BatchSharding | None = None,
) -> Resident:
    """Return what a training on these data needs; the parameters are those of `placed`.

    Raises
    ------
    DataError
        If the validation rows do not fit, or labels are none of ``classes``.
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
    held_out = []
    if validation is not None:
        own_part = known, config, backend, sharding
        held_out = held_out_shards(
            validation, blocks.features, blocks.feature_names, pixel_max, *own_part
        )
    count = len(blocks.bounds) - 1
    own = range(count) if sharding is None else sharding.own_of(count)
    rows = config.shard_rows or backend.shard_rows
    return Resident(
        X=None,
        labels=None,
        shards=BlockShards(blocks, known, own, rows, backend),
        validation=held_out,
        has_validation=validation is not None,
        classes=known,
        image_shape=shape,
        basis=basis,
        half_turned=np.empty(0, bool),
        input_scale=input_scale(_some_rows(blocks)) if config.scale_inputs else 1.0,
        pixel_max=pixel_max,
        blocks=blocks,
        feature_names=blocks.feature_names,
    )


def _some_rows(blocks: Blocks) -> npt.NDArray[Any]:
    """Read rows from places all over the data, even where these are one block."""
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
    """One pass over data that stay on the disk, from a step on; see `batches.Plan`."""

    def __init__(self, plan: Plan, blocks: Blocks, number: int, place: int) -> None:
        self.plan = plan
        self.blocks = blocks
        self.number = number
        sharding = plan.sharding or BatchSharding(1)
        order = EpochOrder(blocks, plan.config.seed, number, plan.size, sharding.shards)
        parts = plan.parts(plan.size)
        self.readers = [
            ShardReader(order, shard, place * (part.stop - part.start))
            for shard, part in zip(sharding.mine, parts, strict=True)
        ]
        self.draws = plan.draws(number)
        for draws, part in zip(self.draws, parts, strict=True):
            draws.skip(place, part.stop - part.start)

    def batch(self, scalars: Array, place: int, steps: int) -> Batch:
        """Return the batches of the next steps; to be asked for in their order."""
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
        drawn = batch_draws(self.draws, parts, half_turned, plan.task, asarray)
        return Batch(scalars, None, *drawn, plan.share(m, steps), asarray(X), asarray(labels))

    def _labels(self, y: npt.NDArray[np.int64]) -> npt.NDArray[np.int32]:
        """Return class indices; all labels have been seen when the training began."""
        classes = self.plan.data.classes
        labels = np.searchsorted(classes, y).astype(np.int32)
        if (classes.take(labels, mode="clip") != y).any():
            raise DataError(
                f"{self.blocks.source} was changed while it was trained on.",
                "Leave the data as they are until the training has ended.",
            )
        return labels
