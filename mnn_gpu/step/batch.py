"""The inputs of a step: which samples, how they are deformed, which units are dropped."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, NamedTuple, TypeAlias

from array_api_compat import array_namespace

from mnn_gpu.nn import network
from mnn_gpu.nn.augmentation import deform
from mnn_gpu.nn.matmul_precision import FULL
from mnn_gpu.nn.regularization import NONE, Regularization, keep_mask
from mnn_gpu.step.execution import SERIAL, Execution
from mnn_gpu.step.microbatches import Microbatch, joined, microbatch_slices, shard_slices

Array: TypeAlias = Any


@dataclass(frozen=True, kw_only=True)
class NetworkSpec:
    """Settings shared by all steps of a run.

    Attributes
    ----------
    layer_sizes : sequence of int
    regularization : Regularization
    image_shape : (height, width) or None
        Shape of the images, if they are to be deformed.
    input_scale : float
        Factor of the inputs, which are 0 to 1.
    activation : str
        Of the hidden layers, one of `activations.ACTIVATIONS`.
    output : str
        Of the last layer, with its loss; one of `losses.OUTPUTS`.
    matmul_precision : str
        Of the network's products, one of `choices.MATMUL_PRECISIONS`.
    clip : float
        Probabilities are limited to ``clip`` to ``1 - clip`` in the loss; see
        `losses.clipped`.
    """

    layer_sizes: Sequence[int]
    regularization: Regularization = NONE
    image_shape: tuple[int, int] | None = None
    input_scale: float = 1.0
    activation: str = "relu"
    output: str = "softmax"
    clip: float = 0.0
    matmul_precision: str = FULL


class StepData(NamedTuple):
    """Constant inputs of every step; all on the device.

    Attributes
    ----------
    X : (rows, features), uint8 or floating
    labels : (rows,), int32, or (rows, outputs)
        Class indices, or target outputs.
    microbatches : sequence of (X, labels)
        All rows as microbatches, for steps that use all of them.
    is_weight : (parameters,) or None
        See `Optimizer.update`.
    basis : (fields, features) or None
        Basis fields of deformations, see `augmentation`.
    weights : (rows,), floating, or None
        Weight of each sample; only for steps that select rows.
    """

    X: Array
    labels: Array
    microbatches: Sequence[Microbatch]
    is_weight: Array | None = None
    basis: Array | None = None
    weights: Array | None = None


class Batch(NamedTuple):
    """Inputs of one step; all on the device.

    Attributes
    ----------
    scalars : (scalars,), floating
        Of the optimizer.
    rows : (m,), integer, or None
        Indices of the samples; None: all samples, in order.
    displacements : (m, 2, fields), floating, or None
        Coefficients of each sample's deformation, see `augmentation`.
    noise : (bytes,), uint8, or None
        For dropout: (m, features) for the inputs, then (hidden units, m), each if used.
    sample_weight : (), floating, or None
        Weight of a sample in the batch's mean, if these are only part of its samples; None:
        1 divided by their number.
    X : (m, features) or None
        The samples, if they are not part of the data.
    labels : (m,) or None
        Their labels.
    scale : (), floating, or None
        Factor of the samples' weights, if these are only part of the batch's samples; None:
        the one that makes their mean 1.
    """

    scalars: Array
    rows: Array | None = None
    displacements: Array | None = None
    noise: Array | None = None
    sample_weight: Array | None = None
    X: Array | None = None
    labels: Array | None = None
    scale: Array | None = None


class MicrobatchInputs(NamedTuple):
    """A microbatch with its random numbers.

    Attributes
    ----------
    X : (features, m), uint8 or floating
    labels : (m,), int32, or (m, outputs)
    displacements : (m, 2, fields) or None
    input_noise : (m, features), uint8, or None
    hidden_noise : (hidden units, m), uint8, or None
    weights : (1, m), floating, or None
        Weight of each sample; their mean over the batch is 1.
    """

    X: Array
    labels: Array
    displacements: Array | None = None
    input_noise: Array | None = None
    hidden_noise: Array | None = None
    weights: Array | None = None


def batch_samples(
    data: StepData, batch: Batch, task: NetworkSpec, shard_rows: int, workers: int = 1
) -> list[MicrobatchInputs]:
    """Return the microbatches of a batch; see `microbatches.microbatch_slices`."""
    return _cut(data, batch, task, lambda m: microbatch_slices(m, shard_rows, workers))


def shard_samples(
    data: StepData, batch: Batch, task: NetworkSpec, shards: int, shard_rows: int
) -> list[list[MicrobatchInputs]]:
    """Return the microbatches of each shard of a batch; see `microbatches.shard_slices`."""
    sizes: list[int] = []

    def runs(m: int) -> list[slice]:
        by_shard = shard_slices(m, shards, shard_rows)
        sizes.extend(map(len, by_shard))
        return [run for shard in by_shard for run in shard]

    microbatches = iter(_cut(data, batch, task, runs))
    return [list(islice(microbatches, size)) for size in sizes]


def _cut(
    data: StepData, batch: Batch, task: NetworkSpec, runs: Callable[[int], Sequence[slice]]
) -> list[MicrobatchInputs]:
    """Return a batch's samples, split at the slices that ``runs`` returns for their number."""
    if batch.rows is None and batch.X is None:
        microbatches = [MicrobatchInputs(*one) for one in data.microbatches]
        runs(sum(samples.X.shape[1] for samples in microbatches))
        return microbatches
    xp = array_namespace(batch.scalars)
    X: Array = batch.X
    labels: Array = batch.labels
    if batch.rows is not None:
        X, labels = (xp.take(array, batch.rows, axis=0) for array in (data.X, data.labels))
    m, input_noise, hidden_noise, weights = X.shape[0], None, None, None
    if data.weights is not None:
        weights = xp.take(data.weights, batch.rows, axis=0)
        scale = m / xp.sum(weights) if batch.scale is None else batch.scale
        weights = xp.reshape(weights * scale, (1, m))
    if batch.noise is not None:
        inputs, hidden = task.regularization.noise_sizes(task.layer_sizes)
        input_noise = xp.reshape(batch.noise[: m * inputs], (m, inputs))
        hidden_noise = xp.reshape(batch.noise[m * inputs : m * (inputs + hidden)], (hidden, m))
    return [
        MicrobatchInputs(
            X[rows, :].T,
            labels[rows, ...],
            None if batch.displacements is None else batch.displacements[rows, :, :],
            None if input_noise is None else input_noise[rows, :],
            None if hidden_noise is None else hidden_noise[:, rows],
            None if weights is None else weights[:, rows],
        )
        for rows in runs(m)
    ]


def inputs_of(
    samples: MicrobatchInputs,
    task: NetworkSpec,
    basis: Array | None,
    dtype: Any,
    execution: Execution = SERIAL,
) -> Array:
    """Return the network's inputs: (features, m), floating.

    Images are deformed a few at a time, so that intermediate results stay in the cache.
    """
    X = samples.X
    if samples.displacements is None or task.image_shape is None:
        X = network.scale_pixels(X, dtype, task.input_scale)
    else:
        pixels, displacements, shape = X.T, samples.displacements, task.image_shape

        def deformed(basis: Array, part: Sequence[slice]) -> Array:
            return joined([one_run(basis, few) for few in part])

        def one_run(basis: Array, few: slice) -> Array:
            images = network.scale_pixels(pixels[few, :], dtype, task.input_scale)
            return deform(images, displacements[few, :, :], basis, shape)

        features, m = X.shape
        few = microbatch_slices(m, max(execution.cached // features, 1), execution.workers)
        X = joined(execution.parallel_map(deformed, basis, few)).T
    rate = task.regularization.input_dropout
    if samples.input_noise is not None and rate:
        X = X * keep_mask(samples.input_noise, rate, dtype).T
    return X
