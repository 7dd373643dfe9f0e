"""The gradient of a batch whose shards are shared out: added up in a fixed binary tree.

Gradient, loss and right answers of a shard are one vector, so that one exchange a step
serves all. Each shard is worked on alone, in the same way wherever it is, and the sums are
added up in an order that hangs on nothing but the number of shards, see `tree`: any number
of ranks comes to the same bits.
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
"""Numbers behind the gradient: loss and right answers."""


def sharded_sums(
    theta: Array,
    task: NetworkSpec,
    shards: Sequence[Sequence[MicrobatchInputs]],
    sample_weight: Array,
    sharding: BatchSharding,
    basis: Array | None = None,
    execution: Execution = SERIAL,
) -> LossAndGradient:
    """Return a batch's mean gradient, its loss and its right answers, those of all ranks.

    Parameters
    ----------
    theta : (parameters,)
    task : NetworkSpec
    shards : sequence of sequences of MicrobatchInputs
        Of each of this rank's shards the samples, some at a time; of an empty one none.
    share : (), floating
        1 by the number of samples in the batch.
    sharding : BatchSharding
    basis : (pictures, features) or None
    execution : Execution

    Returns
    -------
    LossAndGradient
        In theta's dtype.
    """
    # Within a lane there are no more lanes.
    alone = SerialExecution.within(execution)
    of_samples = partial(microbatch_sums, theta, task, sample_weight, basis=basis, execution=alone)

    numbers = theta.shape[0] + METRICS

    def of_lane(theta: Array, part: Sequence[Sequence[MicrobatchInputs]]) -> list[Array]:
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
        vectors = [v for lane in execution.parallel_map(of_lane, theta, own) for v in lane]
        branches |= _grown(leaves(group.start, group.stop), vectors, sharding, execution)
    branches = _grown(list(branches), list(branches.values()), sharding, execution)
    return _sums(theta, _whole(theta, branches, sharding, execution))


def _vector(
    parts: Sequence[LossAndGradient],
    numbers: int,
    sample_weight: Array,
    dtype: Any,
    sharding: BatchSharding,
) -> Array:
    """Return a shard's gradient, loss and right answers as one vector."""
    xp, length = array_namespace(sample_weight), sharding.length(numbers)
    if not parts:
        # Of all numbers -0.0 alone leaves every other one as it is, 0.0 and -0.0 too.
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


def _grown(
    branches: Sequence[Branch],
    vectors: Sequence[Array],
    sharding: BatchSharding,
    execution: Execution,
) -> dict[Branch, Array]:
    left = roots(branches)
    if len(left) == len(branches):
        return dict(zip(branches, vectors, strict=True))

    def add_up(*vectors: Array) -> tuple[Array, ...]:
        return tuple(reduce_siblings(branches, vectors, _adding(sharding)).values())

    return dict(zip(left, execution.fuse(add_up)(*vectors), strict=True))


def _whole(
    theta: Array, branches: dict[Branch, Array], sharding: BatchSharding, execution: Execution
) -> Array:
    """Return the sum of all branches, other ranks' too, in theta's dtype."""
    vectors = list(branches.values())
    if sharding.exchange is not None:
        return execution.all_reduce(sharding.exchange, vectors, theta.dtype)

    def add_up(*vectors: Array) -> tuple[Array]:
        whole = tree_sum(branches, vectors, _adding(sharding))
        return (array_namespace(whole).astype(whole, theta.dtype, copy=False),)

    (whole,) = execution.fuse(add_up)(*vectors)
    return whole


def _adding(sharding: BatchSharding) -> Callable[[Array, Array], Array]:
    """Return how two sums are added up."""
    if not sharding.is_wide:
        return lambda left, right: left + right
    return lambda left, right: upcast(left) + upcast(right)


def _sums(theta: Array, whole: Array) -> LossAndGradient:
    xp, parameters = array_namespace(theta), theta.shape[0]
    correct = xp.astype(whole[parameters + 1, ...], xp.int32)
    return LossAndGradient(whole[:parameters], whole[parameters, ...], correct)
