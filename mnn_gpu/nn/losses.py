"""Output functions of the last layer, each with its loss.

Each pair is the canonical one of a generalized linear model. So the derivative of the loss
with respect to ``Z[L]`` is ``A[L] - Y``; see `network.backward`.

References
----------
Bishop: Pattern Recognition and Machine Learning (2006), sections 4.3.6 and 5.2.
"""

from __future__ import annotations

from collections.abc import Callable
from math import log, log1p
from typing import Any, NamedTuple, TypeAlias

from array_api_compat import array_namespace, device

from mnn_gpu.nn import activations
from mnn_gpu.nn.network import one_hot

Array: TypeAlias = Any


class Output(NamedTuple):
    """Function and loss of the last layer.

    Attributes
    ----------
    function : callable ``Z -> A``
    loss : callable ``(Z, Y, weights, clip) -> (loss, correct)``
        Like `cross_entropy`; both results are summed over the samples.
    """

    function: Callable[[Array], Array]
    loss: Callable[..., tuple[Array, Array]]


def targets_of(labels: Array, outputs: int, dtype: Any) -> Array:
    """Return ``Y``, (outputs, m), from class indices, (m,), or from its rows, (m, outputs)."""
    if labels.ndim == 1:
        return one_hot(labels, outputs, dtype)
    return array_namespace(labels).astype(labels.T, dtype)


def binary_cross_entropy(
    Z: Array, Y: Array, weights: Array | None = None, clip: float = 0.0
) -> tuple[Array, Array]:
    """Return the binary cross-entropy of independent outputs, ``Y`` 0 or 1; see `cross_entropy`.

    ``-log A`` or ``-log(1 - A)`` for the logistic function ``A``, as ``max(Z, 0) - Z Y + log(1 +
    exp(-|Z|))``, summed over the outputs. A sample is correct if all of its outputs are.
    """
    xp = array_namespace(Z)
    if clip:  # Not `losses.clipped`: 1 - A must be rounded as it is there.
        A = xp.minimum(xp.maximum(activations.logistic(Z), clip), 1 - clip)
        losses = 0 - Y * xp.log(A) - (1 - Y) * xp.log(1 - A)
    else:
        losses = xp.maximum(Z, 0) - Z * Y + xp.log1p(xp.exp(0 - xp.abs(Z)))
    wrong = xp.astype((Z > 0) != (Y > 0), xp.int32)
    wrong = xp.max(wrong, axis=0)
    return _summed(losses, weights), xp.sum(1 - wrong, dtype=xp.int32)


def squared_error(
    Z: Array, Y: Array, weights: Array | None = None, _clip: float = 0.0
) -> tuple[Array, Array]:
    """Return half the squared error, summed over the outputs; correct is always 0."""
    difference = Z - Y
    return _summed(difference * difference * 0.5, weights), _none_right(Z)


def poisson_deviance(
    Z: Array, Y: Array, weights: Array | None = None, _clip: float = 0.0
) -> tuple[Array, Array]:
    """Return half the Poisson deviance of ``exp(Z)`` from counts ``Y``, summed over the outputs.

    ``Y log(Y / A) - Y + A``, with ``A = exp(Z)`` and ``0 log 0 = 0``.
    """
    xp = array_namespace(Z)
    at_least = xp.maximum(Y, xp.astype(Y <= 0, Y.dtype))  # log(1) = 0 where Y is 0.
    return _summed(Y * (xp.log(at_least) - Z) - Y + xp.exp(Z), weights), _none_right(Z)


def _summed(losses: Array, weights: Array | None) -> Array:
    return array_namespace(losses).sum(losses if weights is None else losses * weights)


def _none_right(Z: Array) -> Array:
    xp = array_namespace(Z)
    return xp.zeros((), dtype=xp.int32, device=device(Z))


def cross_entropy(
    Z: Array, Y: Array, weights: Array | None = None, clip: float = 0.0
) -> tuple[Array, Array]:
    """Return the cross-entropy and the number of correct predictions, summed over the samples.

    ``-log softmax(Z)[label] = log sum exp(Z) - Z[label]``. The maximum ``Z`` is subtracted
    first, so that the result is finite whenever ``Z`` is. A sample is correct if no other
    class has a larger ``Z`` than its label.

    Parameters
    ----------
    Z : (classes, m)
        Of the last layer, before the softmax.
    Y : (classes, m), one-hot
    weights : (1, m), optional
        Weight of each sample's loss. Default: 1.
    clip : float
        See `clipped`.

    Returns
    -------
    loss : (), floating
    correct : (), int32
    """
    xp = array_namespace(Z)
    below_top = Z - xp.max(Z, axis=0, keepdims=True)
    of_label = xp.sum(Y * below_top, axis=0, keepdims=True)
    losses = clipped(xp.log(xp.sum(xp.exp(below_top), axis=0, keepdims=True)) - of_label, clip)
    loss = xp.sum(losses if weights is None else losses * weights)
    correct = xp.sum(xp.astype(of_label >= 0, xp.int32), dtype=xp.int32)
    return loss, correct


def clipped(losses: Array, clip: float) -> Array:
    """Return ``-log p`` with ``p`` limited to ``clip`` to ``1 - clip``; 0: no limit."""
    if not clip:
        return losses
    xp = array_namespace(losses)
    return xp.minimum(xp.maximum(losses, -log1p(-clip)), -log(clip))


OUTPUTS = {
    "softmax": Output(activations.softmax, cross_entropy),
    "logistic": Output(activations.logistic, binary_cross_entropy),
    "identity": Output(activations.identity, squared_error),
    "exp": Output(activations.exp, poisson_deviance),
}
