"""Activation functions and their derivatives, for any array library.

``A = function(Z)``. A derivative receives both ``Z`` and ``A``, since most are simplest in ``A``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, TypeAlias

from array_api_compat import array_namespace

Array: TypeAlias = Any


def relu(Z: Array) -> Array:
    """Return ``max(Z, 0)``, elementwise."""
    xp = array_namespace(Z)
    return xp.maximum(Z, 0)


def relu_grad(Z: Array) -> Array:
    """Return 1 where ``Z > 0``, else 0, in the dtype of ``Z``."""
    xp = array_namespace(Z)
    return xp.astype(Z > 0, Z.dtype)


def softmax(Z: Array) -> Array:
    """Return ``exp(Z) / sum exp(Z)`` over axis 0 (the classes).

    The maximum ``Z`` of each sample is subtracted first. This does not change the quotient
    and keeps ``exp`` from overflowing.
    """
    xp = array_namespace(Z)
    E = xp.exp(Z - xp.max(Z, axis=0, keepdims=True))
    return E / xp.sum(E, axis=0, keepdims=True)


def tanh(Z: Array) -> Array:
    """Return the hyperbolic tangent, elementwise."""
    return array_namespace(Z).tanh(Z)


def logistic(Z: Array) -> Array:
    """Return ``1 / (1 + exp(-Z))``, elementwise, also accurate where it is close to 0.

    Computed from ``exp`` of non-positive values only, so that it does not overflow.
    """
    xp = array_namespace(Z)
    return xp.exp(xp.minimum(Z, 0)) / (1 + xp.exp(0 - xp.abs(Z)))


def identity(Z: Array) -> Array:
    """Return ``Z``."""
    return Z


def exp(Z: Array) -> Array:
    """Return ``exp(Z)``, elementwise."""
    return array_namespace(Z).exp(Z)


class Activation(NamedTuple):
    """An activation function of the hidden layers and its derivative.

    Attributes
    ----------
    function : callable ``Z -> A``
    derivative : callable ``(Z, A) -> dA/dZ``, elementwise
    """

    function: Callable[[Array], Array]
    derivative: Callable[[Array, Array], Array]


ACTIVATIONS = {
    "relu": Activation(relu, lambda Z, _: relu_grad(Z)),
    "tanh": Activation(tanh, lambda _, A: 1 - A * A),
    "logistic": Activation(logistic, lambda _, A: A * (1 - A)),
    "identity": Activation(identity, lambda _, A: array_namespace(A).ones_like(A)),
}
RELU = ACTIVATIONS["relu"]
