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

from mnn_gpu.step.batch import Samples, Task
from mnn_gpu.step.execution import PLAIN, Engine, Plain
from mnn_gpu.step.gradient import Sums, added, shard_sums, widened
from mnn_gpu.step.sharding import Sharing
from mnn_gpu.step.tree_sum import Branch, grown, leaves, remaining, total

Array: TypeAlias = Any
METRICS = 2
"""Numbers behind the gradient: loss and right answers."""


def shared_sums(
    theta: Array,
    task: Task,
    shards: Sequence[Sequence[Samples]],
    share: Array,
    sharing: Sharing,
    basis: Array | None = None,
    engine: Engine = PLAIN,
) -> Sums:
    """Return a batch's mean gradient, its loss and its right answers, those of all ranks.

    Parameters
    ----------
    theta : (parameters,)
    task : Task
    shards : sequence of sequences of Samples
        Of each of this rank's shards the samples, some at a time; of an empty one none.
    share : (), floating
        1 by the number of samples in the batch.
    sharing : Sharing
    basis : (pictures, features) or None
    engine : Engine

    Returns
    -------
    Sums
        In theta's dtype.
    """
    # Within a lane there are no more lanes.
    alone = Plain.within(engine)
    of_samples = partial(shard_sums, theta, task, share, basis=basis, engine=alone)

    numbers = theta.shape[0] + METRICS

    def of_lane(theta: Array, part: Sequence[Sequence[Samples]]) -> list[Array]:
        return [
            _vector(
                [of_samples(samples) for samples in shard], numbers, share, theta.dtype, sharing
            )
            for shard in part
        ]

    branches: dict[Branch, Array] = {}
    for group in sharing.groups():
        own = shards[group.start - sharing.mine.start : group.stop - sharing.mine.start]
        vectors = [v for lane in engine.spread(of_lane, theta, own) for v in lane]
        branches |= _grown(leaves(group.start, group.stop), vectors, sharing, engine)
    branches = _grown(list(branches), list(branches.values()), sharing, engine)
    return _sums(theta, _whole(theta, branches, sharing, engine))


def _vector(
    parts: Sequence[Sums], numbers: int, share: Array, dtype: Any, sharing: Sharing
) -> Array:
    """Return a shard's gradient, loss and right answers as one vector."""
    xp, length = array_namespace(share), sharing.length(numbers)
    if not parts:
        # Of all numbers -0.0 alone leaves every other one as it is, 0.0 and -0.0 too.
        return xp.zeros((length,), dtype=dtype, device=device(share)) * -0.0
    if len(parts) > 1 and sharing.is_wide:
        parts = [part._replace(gradient=widened(part.gradient)) for part in parts]
    sums = added(parts)
    wide = sums.gradient.dtype
    pieces = [sums.gradient]
    pieces += [xp.astype(xp.reshape(number, (1,)), wide, copy=False) for number in sums[1:]]
    if length > numbers:
        pieces.append(xp.zeros((length - numbers,), dtype=wide, device=device(share)))
    return xp.concat(pieces)


def _grown(
    branches: Sequence[Branch], vectors: Sequence[Array], sharing: Sharing, engine: Engine
) -> dict[Branch, Array]:
    left = remaining(branches)
    if len(left) == len(branches):
        return dict(zip(branches, vectors, strict=True))

    def add_up(*vectors: Array) -> tuple[Array, ...]:
        return tuple(grown(branches, vectors, _adding(sharing)).values())

    return dict(zip(left, engine.fuse(add_up)(*vectors), strict=True))


def _whole(theta: Array, branches: dict[Branch, Array], sharing: Sharing, engine: Engine) -> Array:
    """Return the sum of all branches, other ranks' too, in theta's dtype."""
    vectors = list(branches.values())
    if sharing.exchange is not None:
        return engine.exchanged(sharing.exchange, vectors, theta.dtype)

    def add_up(*vectors: Array) -> tuple[Array]:
        whole = total(branches, vectors, _adding(sharing))
        return (array_namespace(whole).astype(whole, theta.dtype, copy=False),)

    (whole,) = engine.fuse(add_up)(*vectors)
    return whole


def _adding(sharing: Sharing) -> Callable[[Array, Array], Array]:
    """Return how two sums are added up."""
    if not sharing.is_wide:
        return lambda left, right: left + right
    return lambda left, right: widened(left) + widened(right)


def _sums(theta: Array, whole: Array) -> Sums:
    xp, parameters = array_namespace(theta), theta.shape[0]
    correct = xp.astype(whole[parameters + 1, ...], xp.int32)
    return Sums(whole[:parameters], whole[parameters, ...], correct)
