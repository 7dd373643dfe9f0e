"""The gradient of a batch, shard by shard: sums over samples, divided once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial, reduce
from operator import add, matmul
from typing import Any, NamedTuple, TypeAlias

from array_api_compat import array_namespace

from mnn_gpu.nn import network
from mnn_gpu.nn.activations import ACTIVATIONS
from mnn_gpu.nn.losses import OUTPUTS, targets_of
from mnn_gpu.nn.matmul_precision import FULL, SIGNIFICANT_BITS
from mnn_gpu.nn.parameters import flatten, unflatten
from mnn_gpu.nn.regularization import hidden_masks, smooth_labels
from mnn_gpu.step.batch import MicrobatchInputs, NetworkSpec, inputs_of
from mnn_gpu.step.execution import SERIAL, Execution, SerialExecution

Array: TypeAlias = Any


class LossAndGradient(NamedTuple):
    """Sums over samples: of the gradient, each sample's share; of the rest, all.

    Where samples have weights, gradient and loss are weighted.

    Attributes
    ----------
    gradient : (parameters,), floating
    loss : (), floating
    correct : (), int32
    """

    gradient: Array
    loss: Array
    correct: Array


def microbatch_sums(
    theta: Array,
    task: NetworkSpec,
    sample_weight: float | Array,
    samples: MicrobatchInputs,
    basis: Array | None = None,
    execution: Execution = SERIAL,
) -> LossAndGradient:
    """Return one shard's part of the mean gradient, its loss and its right answers."""
    X = inputs_of(samples, task, basis, theta.dtype, execution)
    return sums_of_inputs(theta, task, sample_weight, X, samples, execution)


def sums_of_inputs(
    theta: Array,
    task: NetworkSpec,
    sample_weight: float | Array,
    X: Array,
    samples: MicrobatchInputs,
    execution: Execution = SERIAL,
) -> LossAndGradient:
    """Return the same where the network's inputs, (features, m), are there already.

    They may be a SciPy sparse matrix: only products are made with them.
    """
    sizes, regularization = task.layer_sizes, task.regularization
    layers = unflatten(theta, sizes)
    Y = targets_of(samples.labels, sizes[-1], theta.dtype)
    weights = samples.weights
    of_each = sample_weight if weights is None else weights * sample_weight
    masks: list[Array] = []
    if samples.hidden_noise is not None and regularization.dropout:
        masks = hidden_masks(samples.hidden_noise, sizes, regularization.dropout, theta.dtype)
    hidden, output = ACTIVATIONS[task.activation], OUTPUTS[task.output]
    product = _product(task, execution)
    Z, A = network.forward(layers, X, masks, hidden, output.function, product)
    wanted = (
        smooth_labels(Y, regularization.label_smoothing) if regularization.label_smoothing else Y
    )
    gradient = network.backward(layers, Z, A, X, wanted, of_each, masks, hidden, product)
    return LossAndGradient(flatten(gradient), *output.loss(Z[-1], Y, weights, task.clip))


def _product(task: NetworkSpec, execution: Execution) -> Callable[[Array, Array], Array]:
    if task.matmul_precision == FULL:
        return matmul
    bits = SIGNIFICANT_BITS[task.matmul_precision]
    return lambda A, B: execution.low_precision_matmul(A, B, bits)


def batch_sums(
    theta: Array,
    task: NetworkSpec,
    shards: Sequence[MicrobatchInputs],
    basis: Array | None = None,
    execution: Execution = SERIAL,
) -> LossAndGradient:
    """Return a batch's mean gradient, its loss and its right answers.

    The gradients of several shards are added up in float64: then the order of adding
    hardly matters, so neither does the shards' number. (Where a library has no float64,
    as JAX by default, in the widest float it has.)
    """
    sample_weight = 1 / sum(samples.X.shape[1] for samples in shards)
    if len(shards) == 1:
        return microbatch_sums(theta, task, sample_weight, shards[0], basis, execution)
    # Within a lane there are no more lanes.
    alone = SerialExecution.within(execution)

    def part_sums(theta: Array, part: Sequence[MicrobatchInputs]) -> LossAndGradient:
        of_shard = partial(
            microbatch_sums, theta, task, sample_weight, basis=basis, execution=alone
        )
        return sum_gradients(_upcast(of_shard(samples)) for samples in part)

    return sum_gradients(execution.parallel_map(part_sums, theta, shards))


def _upcast(sums: LossAndGradient) -> LossAndGradient:
    return sums._replace(gradient=upcast(sums.gradient))


def upcast(array: Array) -> Array:
    """Return an array as float64, or in the widest float that its library has."""
    xp = array_namespace(array)
    wide = xp.__array_namespace_info__().default_dtypes()["real floating"]
    return xp.astype(array, xp.result_type(array.dtype, wide), copy=False)


def sum_gradients(several: Iterable[LossAndGradient]) -> LossAndGradient:
    """Add up one by one, so that a long batch's gradients need not be kept."""
    return reduce(lambda total, more: LossAndGradient(*map(add, total, more)), several)
