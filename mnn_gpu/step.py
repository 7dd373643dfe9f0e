"""One training step, a pure function ``(data, state, batch) -> state`` over the namespace.

It goes through `Backend.compile`; nothing in it reads a value back to the host. The data
stay where they are: a batch only names the rows it is made of.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import reduce
from operator import add
from typing import Any, NamedTuple, TypeAlias

from array_api_compat import array_namespace

from mnn_gpu import network
from mnn_gpu.optimizers import Optimizer
from mnn_gpu.shards import Shard, cut

Array: TypeAlias = Any


class State(NamedTuple):
    """What a step changes; all on the device.

    Attributes
    ----------
    theta : (parameters,), floating
    slots : tuple of (parameters,)
        The optimizer's memory.
    loss : (), floating
        Cross-entropy summed over the samples seen since it was last set to 0.
    correct : (), int32
        How many of them were answered rightly.
    finite_steps : (), int32
        How many steps had a finite loss: the first one that had not is the next.
    """

    theta: Array
    slots: tuple[Array, ...]
    loss: Array
    correct: Array
    finite_steps: Array


def first_state(
    theta: Array, optimizer: Optimizer, dtype: str, asarray: Callable[..., Array]
) -> State:
    """Return the state before the first step.

    Parameters
    ----------
    theta : (parameters,), on the host
    optimizer : Optimizer
    dtype : str
        Of theta and the slots on the device.
    asarray : callable
        `Backend.asarray`. Each array is made anew, since a compiled step may take it over.
    """
    return State(
        theta=asarray(theta, dtype=dtype),
        slots=tuple(asarray(theta * 0, dtype=dtype) for _ in range(optimizer.slots)),
        loss=asarray(0.0, dtype=dtype),
        correct=asarray(0, dtype="int32"),
        finite_steps=asarray(0, dtype="int32"),
    )


class Batch(NamedTuple):
    """What a step is given; all on the device.

    Attributes
    ----------
    rate, epsilon : (), floating
        The optimizer's scalars of this step.
    rows : (m,), integer, or None
        Which samples to use; None: all of them.
    """

    rate: Array
    epsilon: Array
    rows: Array | None = None


class Sums(NamedTuple):
    """Sums over samples: of the gradient, each sample's share; of the rest, all.

    Attributes
    ----------
    gradient : (parameters,), floating
    loss : (), floating
    correct : (), int32
    """

    gradient: Array
    loss: Array
    correct: Array


Data: TypeAlias = Any
Spread: TypeAlias = Callable[[Callable[..., Sums], Array, Sequence[Shard]], list[Sums]]
Step: TypeAlias = Callable[[Data, State, Batch], State]


def _in_turn(function: Callable[..., Sums], array: Array, items: Sequence[Shard]) -> list[Sums]:
    return [function(array, items)]


def shard_sums(
    theta: Array, layer_sizes: Sequence[int], share: float, X: Array, labels: Array
) -> Sums:
    """Return one shard's part of the mean gradient, its loss and its right answers."""
    layers = network.unflatten(theta, layer_sizes)
    X = network.unit_range(X, theta.dtype)
    Y = network.one_hot(labels, layer_sizes[-1], theta.dtype)
    Z, A = network.forward(layers, X)
    gradient = network.flatten(network.backward(layers, Z, A, X, Y, share))
    return Sums(gradient, *network.score(Z[-1], Y))


def batch_sums(
    theta: Array,
    layer_sizes: Sequence[int],
    shards: Sequence[Shard],
    spread: Spread = _in_turn,
) -> Sums:
    """Return a batch's mean gradient, its loss and its right answers.

    The gradients of several shards are added up in float64: then the order of adding
    hardly matters, so neither does the shards' number. (Where a library has no float64,
    as JAX by default, in the widest float it has.)
    """
    share = 1 / sum(X.shape[1] for X, _ in shards)
    if len(shards) == 1:
        return shard_sums(theta, layer_sizes, share, *shards[0])

    def part_sums(theta: Array, part: Sequence[Shard]) -> Sums:
        return _added(_widened(shard_sums(theta, layer_sizes, share, *shard)) for shard in part)

    return _added(spread(part_sums, theta, shards))


def _widened(sums: Sums) -> Sums:
    xp = array_namespace(sums.gradient)
    wide = xp.__array_namespace_info__().default_dtypes()["real floating"]
    wide = xp.result_type(sums.gradient.dtype, wide)
    return sums._replace(gradient=xp.astype(sums.gradient, wide))


def _added(several: Iterable[Sums]) -> Sums:
    """Add up one by one, so that a long batch's gradients need not be kept."""
    return reduce(lambda total, more: Sums(*map(add, total, more)), several)


def full_batch(shards: Sequence[Shard], batch: Batch) -> Sequence[Shard]:
    """Take all samples; the data are shards ``(X, labels)``."""
    return shards


def minibatch(shard_rows: int, lanes: int = 1) -> Callable[[Shard, Batch], Sequence[Shard]]:
    """Return how to take the rows that a batch names, ``shard_rows`` at a time; see `cut`.

    The data are ``X`` (rows, features) and ``labels`` (rows,).
    """

    def gathered(data: Shard, batch: Batch) -> Sequence[Shard]:
        X, labels = data
        xp = array_namespace(batch.rows)
        X, labels = xp.take(X, batch.rows, axis=0), xp.take(labels, batch.rows, axis=0)
        return cut(X, labels, shard_rows, lanes)

    return gathered


def training_step(
    take: Callable[[Data, Batch], Sequence[Shard]],
    layer_sizes: Sequence[int],
    optimizer: Optimizer,
    fuse: Callable[[Any], Any] = lambda update: update,
    spread: Spread = _in_turn,
) -> Step:
    """Return a step ``(data, state, batch) -> state`` that follows the gradient.

    Parameters
    ----------
    take : callable
        `full_batch` or `minibatch`: which samples of the data a batch is made of.
    layer_sizes : sequence of int
    optimizer : Optimizer
    fuse : callable
        `Backend.fuse`: makes an elementwise function of vectors fast.
    spread : callable
        `Backend.spread`: lets runs of shards be worked on side by side.
    """

    @fuse
    def update(
        theta: Array, gradient: Array, rate: Array, epsilon: Array, *slots: Array
    ) -> tuple[Array, ...]:
        xp = array_namespace(theta)
        gradient = xp.astype(gradient, theta.dtype, copy=False)
        return optimizer.update(theta, gradient, rate, epsilon, *slots)

    def step(data: Data, state: State, batch: Batch) -> State:
        xp = array_namespace(state.theta)
        sums = batch_sums(state.theta, layer_sizes, take(data, batch), spread)
        theta, *slots = update(state.theta, sums.gradient, batch.rate, batch.epsilon, *state.slots)
        return State(
            theta=theta,
            slots=tuple(slots),
            loss=state.loss + sums.loss,
            correct=state.correct + sums.correct,
            finite_steps=state.finite_steps + xp.astype(xp.isfinite(sums.loss), xp.int32),
        )

    return step
