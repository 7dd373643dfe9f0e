"""The random numbers of augmentation and dropout in one epoch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from mnn_gpu.nn.augmentation import AFFINE_FIELDS, UNIFORMS, displacements
from mnn_gpu.step.batch import NetworkSpec
from mnn_gpu.training.config import TrainingConfig
from mnn_gpu.utils.random_streams import AFFINE, DROPOUT, ELASTIC, generator

Host = npt.NDArray[Any]


class BatchNoise:
    """The random numbers of one epoch's batches, or of one shard of each.

    They must be drawn in the order of the steps; how many steps at a time does not matter.
    ``fields`` is the number of basis fields of deformations, 0 without augmentation; ``which`` are
    the epoch and, if there are shards, the index of the shard.
    """

    def __init__(self, config: TrainingConfig, task: NetworkSpec, fields: int, *which: int) -> None:
        self.config = config
        self.task = task
        self.waves = fields - AFFINE_FIELDS
        self.affine, self.elastic, self.bytes = (
            generator(stream, config.seed, *which) for stream in (AFFINE, ELASTIC, DROPOUT)
        )

    def skip(self, steps: int, m: int) -> None:
        """Draw, and drop, the numbers of some steps of m samples."""
        for _ in range(steps):
            self.displacements(np.zeros(m, bool), 1)
            self.dropout(m, 1)

    def displacements(self, half_turned: npt.NDArray[np.bool_], steps: int) -> Host | None:
        """Draw how images are deformed, (steps, m, 2, fields).

        ``half_turned``, (steps * m,), says which ones are rotated by half the angle.
        """
        augmentation, shape = self.config.augmentation, self.task.image_shape
        if augmentation is None or shape is None or self.waves < 0:
            return None
        m = len(half_turned)
        dtype: Any = np.dtype(self.config.dtype)
        uniforms = self.affine.random((m, UNIFORMS), dtype=dtype) * 2 - 1
        normals = self.elastic.standard_normal((m, 2, self.waves), dtype=dtype)
        turn = np.where(half_turned, 0.5, 1.0).astype(dtype)
        drawn: Host = displacements(uniforms, normals, augmentation, shape, turn)
        return drawn.astype(dtype, copy=False).reshape(steps, m // steps, *drawn.shape[1:])

    def dropout(self, m: int, steps: int) -> npt.NDArray[np.uint8] | None:
        """Draw bytes for dropout, (steps, bytes)."""
        count = m * sum(self.task.regularization.noise_sizes(self.task.layer_sizes))
        if not count:
            return None
        # Whole words for each step, so that the number of steps at a time does not matter.
        words = self.bytes.integers(0, 2**32, (steps, -(-count // 4)), dtype=np.uint32)
        return words.astype("<u4", copy=False).view(np.uint8)[:, :count]


def own_parts(parts: Sequence[slice]) -> list[slice]:
    """Return the places of consecutive parts of a batch relative to the first of them."""
    first = parts[0].start
    return [slice(part.start - first, part.stop - first) for part in parts]


def batch_noise(
    noise: Sequence[BatchNoise],
    parts: Sequence[slice],
    half_turned: npt.NDArray[np.bool_],
    task: NetworkSpec,
    asarray: Callable[[Host], Any],
) -> tuple[Any, Any]:
    """Draw for some batches, shard by shard; return ``displacements`` and ``noise`` of `Batch`.

    ``noise`` and ``parts`` have the random numbers and the samples of each shard; ``half_turned``,
    (steps, m), says which samples are rotated by half the angle.
    """
    steps = len(half_turned)
    sizes = [part.stop - part.start for part in parts]
    displacements = [
        own.displacements(half_turned[:, part].reshape(-1), steps)
        for own, part in zip(noise, parts, strict=True)
    ]
    dropout = [own.dropout(size, steps) for own, size in zip(noise, sizes, strict=True)]
    drawn = _joined_displacements(displacements), _joined_bytes(dropout, sizes, task)
    on_device, bytes_on_device = (None if array is None else asarray(array) for array in drawn)
    return on_device, bytes_on_device


def _joined_displacements(parts: Sequence[Host | None]) -> Host | None:
    drawn = [part for part in parts if part is not None]
    return np.concatenate(drawn, axis=1) if drawn else None


def _joined_bytes(
    parts: Sequence[npt.NDArray[np.uint8] | None], sizes: Sequence[int], task: NetworkSpec
) -> npt.NDArray[np.uint8] | None:
    """Join the bytes of shards of these sizes in the order that `Batch` describes."""
    inputs, hidden = task.regularization.noise_sizes(task.layer_sizes)
    drawn = [(part, m) for part, m in zip(parts, sizes, strict=True) if part is not None]
    if not drawn:
        return None
    of_inputs = [part[:, : m * inputs] for part, m in drawn]
    of_hidden = [part[:, m * inputs :].reshape(len(part), hidden, m) for part, m in drawn]
    joined = np.concatenate(of_hidden, axis=2)
    return np.concatenate([*of_inputs, joined.reshape(len(joined), -1)], axis=1)
