"""The gradient of a batch: microbatch by microbatch, already divided by the batch size."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial, reduce
from operator import add, matmul
from typing import Any, NamedTuple, TypeAlias

from array_api_compat import array_namespace, device

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
    """Loss, gradient and correct predictions, summed over samples.

    The gradient is scaled by ``sample_weight``; the loss and the count are not. If samples
    have weights, gradient and loss are weighted.

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
    """Return one microbatch's part of the mean gradient, its loss and correct predictions."""
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
    """Return the same as `microbatch_sums` for given network inputs, (features, m).

    ``X`` may be a SciPy sparse matrix: it is only used in matrix products.
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
    targets = (
        smooth_labels(Y, regularization.label_smoothing) if regularization.label_smoothing else Y
    )
    gradient = network.backward(layers, Z, A, X, targets, of_each, masks, hidden, product)
    return LossAndGradient(flatten(gradient), *output.loss(Z[-1], Y, weights, task.clip))


def _product(task: NetworkSpec, execution: Execution) -> Callable[[Array, Array], Array]:
    if task.matmul_precision == FULL:
        return matmul
    bits = SIGNIFICANT_BITS[task.matmul_precision]
    return lambda A, B: execution.low_precision_matmul(A, B, bits)


def batch_sums(
    theta: Array,
    task: NetworkSpec,
    microbatches: Sequence[MicrobatchInputs],
    basis: Array | None = None,
    execution: Execution = SERIAL,
) -> LossAndGradient:
    """Return a batch's mean gradient, its loss and its correct predictions.

    The gradients of several microbatches are summed in float64, so that their number and
    the order of summation have almost no effect. (In their own dtype on a device without
    float64, such as PyTorch's mps, and in JAX by default.)
    """
    sample_weight = 1 / sum(samples.X.shape[1] for samples in microbatches)
    if len(microbatches) == 1:
        return microbatch_sums(theta, task, sample_weight, microbatches[0], basis, execution)
    # Workers are not nested.
    alone = SerialExecution.within(execution)

    def part_sums(theta: Array, part: Sequence[MicrobatchInputs]) -> LossAndGradient:
        of_microbatch = partial(
            microbatch_sums, theta, task, sample_weight, basis=basis, execution=alone
        )
        return sum_gradients(_upcast(of_microbatch(samples)) for samples in part)

    return sum_gradients(execution.parallel_map(part_sums, theta, microbatches))


def _upcast(sums: LossAndGradient) -> LossAndGradient:
    return sums._replace(gradient=upcast(sums.gradient))


def upcast(array: Array) -> Array:
    """Return an array as float64; unchanged on a device that has no float64."""
    xp = array_namespace(array)
    return xp.astype(array, network.widest_float(xp, device(array)), copy=False)


def sum_gradients(several: Iterable[LossAndGradient]) -> LossAndGradient:
    """Sum one by one, so that not all gradients of a large batch are in memory at once."""
    return reduce(lambda total, more: LossAndGradient(*map(add, total, more)), several)
