"""One training step, a pure function ``(state, batch) -> state`` over the namespace.

It goes through `Backend.compile`; nothing in it reads a value back to the host.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, TypeAlias

from array_api_compat import array_namespace

from mnn_gpu import network

Array: TypeAlias = Any
Shard: TypeAlias = tuple[Array, Array]
"""``(X, labels)``: (features, m) pixels or floats, and (m,) class indices."""
Batch: TypeAlias = Sequence[Shard]


class State(NamedTuple):
    """What a step changes; all on the device.

    Attributes
    ----------
    theta : (parameters,), floating
    loss : (), floating
        Cross-entropy summed over the samples seen since it was last set to 0.
    correct : (), int32
        How many of them were answered rightly.
    finite_steps : (), int32
        How many steps had a finite loss: the first one that had not is the next.
    """

    theta: Array
    loss: Array
    correct: Array
    finite_steps: Array


class Sums(NamedTuple):
    """Sums over the samples of a batch."""

    gradient: Array
    loss: Array
    correct: Array


def shard_sums(theta: Array, layer_sizes: Sequence[int], X: Array, labels: Array) -> Sums:
    """Return one shard's gradient, loss and right answers, summed over its samples."""
    layers = network.unflatten(theta, layer_sizes)
    X = network.unit_range(X, theta.dtype)
    Y = network.one_hot(labels, layer_sizes[-1], theta.dtype)
    Z, A = network.forward(layers, X)
    gradient = network.flatten(network.backward(layers, Z, A, X, Y))
    return Sums(gradient, *network.score(Z[-1], Y))


def batch_sums(theta: Array, layer_sizes: Sequence[int], batch: Batch) -> Sums:
    """Add up the shards of a batch, the gradients in float64 if there are several.

    In float64 the order of adding hardly matters, so neither does the shards' number.
    """
    total = shard_sums(theta, layer_sizes, *batch[0])
    if len(batch) == 1:
        return total
    xp = array_namespace(theta)
    total = total._replace(gradient=xp.astype(total.gradient, xp.float64))
    for X, labels in batch[1:]:
        more = shard_sums(theta, layer_sizes, X, labels)
        total = Sums(
            total.gradient + xp.astype(more.gradient, xp.float64),
            total.loss + more.loss,
            total.correct + more.correct,
        )
    return total


def gradient_descent_step(
    layer_sizes: Sequence[int], learning_rate: float
) -> Callable[[State, Batch], State]:
    """Return the step of gradient descent for a network of these sizes."""

    def step(state: State, batch: Batch) -> State:
        xp = array_namespace(state.theta)
        m = sum(X.shape[1] for X, _ in batch)
        sums = batch_sums(state.theta, layer_sizes, batch)
        mean_gradient = xp.astype(sums.gradient / m, state.theta.dtype, copy=False)
        return State(
            theta=network.update(state.theta, mean_gradient, learning_rate),
            loss=state.loss + sums.loss,
            correct=state.correct + sums.correct,
            finite_steps=state.finite_steps + xp.astype(xp.isfinite(sums.loss), xp.int32),
        )

    return step
