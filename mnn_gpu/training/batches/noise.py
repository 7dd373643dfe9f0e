"""The random numbers that images are deformed and units are left out with, in one epoch."""

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


class Draws:
    """What is drawn for the samples of one epoch, or of one shard of each of its batches.

    To be asked for the steps in their order; how many at a time does not matter.

    Parameters
    ----------
    config : TrainingConfig
    task : NetworkSpec
    basis_fields : int
        Of the basis of deformations; 0 if there are none.
    which : int
        The epoch, and the number of the shard if it is one's.
    """

    def __init__(
        self, config: TrainingConfig, task: NetworkSpec, basis_fields: int, *which: int
    ) -> None:
        self.config = config
        self.task = task
        self.waves = basis_fields - AFFINE_FIELDS
        self.affine, self.elastic, self.dropout = (
            generator(stream, config.seed, *which) for stream in (AFFINE, ELASTIC, DROPOUT)
        )

    def skip(self, steps: int, m: int) -> None:
        """Draw what so many steps of m samples would have."""
        for _ in range(steps):
            self.displacements(np.zeros(m, bool), 1)
            self.noise(m, 1)

    def displacements(self, half_turned: npt.NDArray[np.bool_], steps: int) -> Host | None:
        """Draw how images are deformed, (steps, m, 2, pictures).

        Parameters
        ----------
        half_turned : (steps * m,)
            Which are to be rotated half as far.
        steps : int
        """
        augmentation, shape, m = (
            self.config.augmentation,
            self.task.image_shape,
            len(half_turned),
        )
        if augmentation is None or shape is None or self.waves < 0:
            return None
        dtype: Any = np.dtype(self.config.dtype)
        uniforms = self.affine.random((m, UNIFORMS), dtype=dtype) * 2 - 1
        normals = self.elastic.standard_normal((m, 2, self.waves), dtype=dtype)
        turn = np.where(half_turned, 0.5, 1.0).astype(dtype)
        drawn: Host = displacements(uniforms, normals, augmentation, shape, turn)
        return drawn.astype(dtype, copy=False).reshape(steps, m // steps, *drawn.shape[1:])

    def noise(self, m: int, steps: int) -> npt.NDArray[np.uint8] | None:
        """Draw bytes for dropout, (steps, bytes); whole words, so that runs do not matter."""
        count = m * sum(self.task.regularization.noise_sizes(self.task.layer_sizes))
        if not count:
            return None
        words = self.dropout.integers(0, 2**32, (steps, -(-count // 4)), dtype=np.uint32)
        return words.astype("<u4", copy=False).view(np.uint8)[:, :count]


def own_parts(parts: Sequence[slice]) -> list[slice]:
    """Return where shards of a batch lie among their own samples, given where in the batch."""
    first = parts[0].start
    return [slice(part.start - first, part.stop - first) for part in parts]


def batch_draws(
    draws: Sequence[Draws],
    parts: Sequence[slice],
    half_turned: npt.NDArray[np.bool_],
    task: NetworkSpec,
    asarray: Callable[[Host], Any],
) -> tuple[Any, Any]:
    """Draw for batches, shard by shard; return warps and noise on the device, see `Batch`.

    Parameters
    ----------
    draws : sequence of Draws
        One a shard.
    parts : sequence of slice
        Which of the samples are each shard's.
    half_turned : (steps, m)
        Which samples are to be rotated half as far.
    task : NetworkSpec
    asarray : callable
        `Backend.asarray`.
    """
    steps = len(half_turned)
    displacements = [
        own.displacements(half_turned[:, part].reshape(-1), steps)
        for own, part in zip(draws, parts, strict=True)
    ]
    sizes = [part.stop - part.start for part in parts]
    noise = [own.noise(size, steps) for own, size in zip(draws, sizes, strict=True)]
    joined = _joined_warps(displacements), _joined_noise(noise, sizes, task)
    of_warps, of_noise = (None if drawn is None else asarray(drawn) for drawn in joined)
    return of_warps, of_noise


def _joined_warps(parts: Sequence[Host | None]) -> Host | None:
    """Join the warps of shards to those of all their samples."""
    drawn = [part for part in parts if part is not None]
    return np.concatenate(drawn, axis=1) if drawn else None


def _joined_noise(
    parts: Sequence[npt.NDArray[np.uint8] | None], sizes: Sequence[int], task: NetworkSpec
) -> npt.NDArray[np.uint8] | None:
    """Join the bytes of shards of these sizes to those of all their samples; see `Batch`."""
    inputs, hidden = task.regularization.noise_sizes(task.layer_sizes)
    drawn = [(part, m) for part, m in zip(parts, sizes, strict=True) if part is not None]
    if not drawn:
        return None
    of_inputs = [part[:, : m * inputs] for part, m in drawn]
    of_hidden = [part[:, m * inputs :].reshape(len(part), hidden, m) for part, m in drawn]
    together = np.concatenate(of_hidden, axis=2)
    return np.concatenate([*of_inputs, together.reshape(len(together), -1)], axis=1)
