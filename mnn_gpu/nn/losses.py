"""What a last layer can be: a function, and the loss that belongs to it.

Each is the canonical pair of a generalized linear model, so that the derivative of the
loss with respect to ``Z[L]`` is ``A[L] - Y``, see `network.backward`.

References
----------
Bishop: Pattern Recognition and Machine Learning (2006), sections 4.3.6 and 5.2.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, TypeAlias

from array_api_compat import array_namespace, device

from mnn_gpu.nn import activations, network

Array: TypeAlias = Any


class Output(NamedTuple):
    """A last layer's function and loss.

    Attributes
    ----------
    function : callable ``Z -> A``
    score : callable ``(Z, Y, weights, clip) -> (loss, correct)``
        As `network.score`, both summed over the samples.
    """

    function: Callable[[Array], Array]
    score: Callable[..., tuple[Array, Array]]


def wanted_of(labels: Array, outputs: int, dtype: Any) -> Array:
    """Return ``Y``, (outputs, m), of class indices, (m,), or of rows of it, (m, outputs)."""
    if labels.ndim == 1:
        return network.one_hot(labels, outputs, dtype)
    return array_namespace(labels).astype(labels.T, dtype)


def binary_score(
    Z: Array, Y: Array, weights: Array | None = None, clip: float = 0.0
) -> tuple[Array, Array]:
    """Return the binary cross-entropy of independent outputs, ``Y`` 0 or 1; see `network.score`.

    ``-log`` of the logistic function and of 1 less it, ``max(Z, 0) - Z Y + log(1 +
    exp(-|Z|))``, summed over the outputs. A sample is right if all of its outputs are.
    """
    xp = array_namespace(Z)
    if clip:  # Not by `network.clipped`: here 1 - A is rounded as there.
        A = xp.minimum(xp.maximum(activations.logistic(Z), clip), 1 - clip)
        losses = 0 - Y * xp.log(A) - (1 - Y) * xp.log(1 - A)
    else:
        losses = xp.maximum(Z, 0) - Z * Y + xp.log1p(xp.exp(0 - xp.abs(Z)))
    wrong = xp.astype((Z > 0) != (Y > 0), xp.int32)
    wrong = xp.max(wrong, axis=0)
    return _summed(losses, weights), xp.sum(1 - wrong, dtype=xp.int32)


def squares_score(
    Z: Array, Y: Array, weights: Array | None = None, _clip: float = 0.0
) -> tuple[Array, Array]:
    """Return half the squared error, summed over the outputs; no number is right or wrong."""
    difference = Z - Y
    return _summed(difference * difference * 0.5, weights), _none_right(Z)


def poisson_score(
    Z: Array, Y: Array, weights: Array | None = None, _clip: float = 0.0
) -> tuple[Array, Array]:
    """Return half the Poisson deviance of ``exp(Z)`` from counts ``Y``, summed over the outputs.

    ``Y log(Y / A) - Y + A``, with ``A = exp(Z)`` and ``0 log 0 = 0``.
    """
    xp = array_namespace(Z)
    at_least = xp.maximum(Y, xp.astype(Y <= 0, Y.dtype))  # log(1) where there is no log.
    return _summed(Y * (xp.log(at_least) - Z) - Y + xp.exp(Z), weights), _none_right(Z)


def _summed(losses: Array, weights: Array | None) -> Array:
    return array_namespace(losses).sum(losses if weights is None else losses * weights)


def _none_right(Z: Array) -> Array:
    xp = array_namespace(Z)
    return xp.zeros((), dtype=xp.int32, device=device(Z))


OUTPUTS = {
    "softmax": Output(activations.softmax, network.score),
    "logistic": Output(activations.logistic, binary_score),
    "identity": Output(activations.identity, squares_score),
    "exp": Output(activations.exp, poisson_score),
}
