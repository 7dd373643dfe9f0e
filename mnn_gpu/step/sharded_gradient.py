"""The gradient of a batch whose shards are distributed over ranks, summed in a fixed tree.

Gradient, loss and number of correct predictions of a shard are one vector, so that one
exchange per step is enough. Each shard is processed alone and in the same way on any rank.
The order of summation depends only on the number of shards, see `tree_sum`. So the result
is bit-identical for any number of ranks.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, TypeAlias

from array_api_compat import array_namespace, device

from mnn_gpu.step.batch import MicrobatchInputs, NetworkSpec
from mnn_gpu.step.execution import SERIAL, Execution, SerialExecution
from mnn_gpu.step.gradient import LossAndGradient, microbatch_sums, sum_gradients, upcast
from mnn_gpu.step.sharding import BatchSharding
from mnn_gpu.step.tree_sum import Branch, leaves, reduce_siblings, roots, tree_sum

Array: TypeAlias = Any
METRICS = 2
"""Entries that follow the gradient: loss and correct predictions."""


def sharded_sums(
    theta: Array,
    task: NetworkSpec,
    shards: Sequence[Sequence[MicrobatchInputs]],
    sample_weight: Array,
    sharding: BatchSharding,
    basis: Array | None = None,
    execution: Execution = SERIAL,
) -> LossAndGradient:
    """Return a batch's mean gradient, loss and correct predictions, summed over all ranks.

    ``shards`` has the microbatches of each of this rank's shards (an empty shard has none),
    ``sample_weight``, (), is 1 divided by the number of samples in the batch. For the others see
    `microbatch_sums`. The result is in theta's dtype.
    """
    # Workers are not nested.
    alone = SerialExecution.within(execution)
    of_samples = partial(microbatch_sums, theta, task, sample_weight, basis=basis, execution=alone)

    numbers = theta.shape[0] + METRICS

    def of_worker(theta: Array, part: Sequence[Sequence[MicrobatchInputs]]) -> list[Array]:
        return [
            _vector(
                [of_samples(samples) for samples in shard],
                numbers,
                sample_weight,
                theta.dtype,
                sharding,
            )
            for shard in part
        ]

    branches: dict[Branch, Array] = {}
    for group in sharding.groups():
        own = shards[group.start - sharding.mine.start : group.stop - sharding.mine.start]
        vectors = [
            vector
            for vectors_of_worker in execution.parallel_map(of_worker, theta, own)
            for vector in vectors_of_worker
        ]
        branches |= _reduce(leaves(group.start, group.stop), vectors, sharding, execution)
    branches = _reduce(list(branches), list(branches.values()), sharding, execution)
    return _sums(theta, _whole(theta, branches, sharding, execution))


def _vector(
    parts: Sequence[LossAndGradient],
    numbers: int,
    sample_weight: Array,
    dtype: Any,
    sharding: BatchSharding,
) -> Array:
    """Return a shard's gradient, loss and correct predictions as one vector."""
    xp, length = array_namespace(sample_weight), sharding.length(numbers)
    if not parts:
        # Adding -0.0, unlike 0.0, leaves every number unchanged, including -0.0.
        return xp.zeros((length,), dtype=dtype, device=device(sample_weight)) * -0.0
    if len(parts) > 1 and sharding.is_wide:
        parts = [part._replace(gradient=upcast(part.gradient)) for part in parts]
    sums = sum_gradients(parts)
    wide = sums.gradient.dtype
    pieces = [sums.gradient]
    pieces += [xp.astype(xp.reshape(number, (1,)), wide, copy=False) for number in sums[1:]]
    if length > numbers:
        pieces.append(xp.zeros((length - numbers,), dtype=wide, device=device(sample_weight)))
    return xp.concat(pieces)


def _reduce(
    branches: Sequence[Branch],
    vectors: Sequence[Array],
    sharding: BatchSharding,
    execution: Execution,
) -> dict[Branch, Array]:
    left = roots(branches)
    if len(left) == len(branches):
        return dict(zip(branches, vectors, strict=True))

    def add_all(*vectors: Array) -> tuple[Array, ...]:
        return tuple(reduce_siblings(branches, vectors, _adder(sharding)).values())

    return dict(zip(left, execution.fuse(add_all)(*vectors), strict=True))


def _whole(
    theta: Array, branches: dict[Branch, Array], sharding: BatchSharding, execution: Execution
) -> Array:
    """Return the sum of all branches, including other ranks', in theta's dtype."""
    vectors = list(branches.values())
    if sharding.exchange is not None:
        return execution.all_reduce(sharding.exchange, vectors, theta.dtype)

    def add_all(*vectors: Array) -> tuple[Array]:
        whole = tree_sum(branches, vectors, _adder(sharding))
        return (array_namespace(whole).astype(whole, theta.dtype, copy=False),)

    (whole,) = execution.fuse(add_all)(*vectors)
    return whole


def _adder(sharding: BatchSharding) -> Callable[[Array, Array], Array]:
    """Return the function that adds two sums."""
    if not sharding.is_wide:
        return lambda left, right: left + right
    return lambda left, right: upcast(left) + upcast(right)


def _sums(theta: Array, whole: Array) -> LossAndGradient:
    xp, parameters = array_namespace(theta), theta.shape[0]
    correct = xp.astype(whole[parameters + 1, ...], xp.int32)
    return LossAndGradient(whole[:parameters], whole[parameters, ...], correct)
