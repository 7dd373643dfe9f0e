"""The parameters of all layers: one flat vector ``theta``; the matrices are views of it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise
from math import sqrt
from typing import Any, TypeAlias

from array_api_compat import array_namespace

Array: TypeAlias = Any
"""An array of any library that follows the Python array API standard."""

Layer: TypeAlias = tuple[Array, Array]
"""``(W, b)``: (outputs, inputs) and (outputs, 1)."""


def parameter_count(layer_sizes: Sequence[int]) -> int:
    """Return the length of ``theta``: 8,070 for 784-10-10-10."""
    return sum(outputs * (inputs + 1) for inputs, outputs in pairwise(layer_sizes))


def init_parameters(layer_sizes: Sequence[int], rng: Any, init: str = "notebook") -> list[Layer]:
    """Draw the initial parameters.

    "notebook": ``W[1] ~ N(0, 1/features)``, ``W[l] ~ N(0, 1/(inputs + outputs))``, hidden
    ``b[l] ~ N(0, 1/outputs)``, ``b[L] ~ N(0, 1/features)``: for 784-10-10-10 that is
    1/784, 1/20, 1/20 and 1/10, 1/10, 1/784. "he": ``W ~ N(0, 2/inputs)``. "glorot":
    ``W ~ N(0, 2/(inputs + outputs))``. The last two start with ``b = 0``.

    Parameters
    ----------
    layer_sizes : sequence of int
        Features, hidden units layer by layer, classes.
    rng : numpy.random.Generator
        Source of the random numbers, on the host, so that all devices get the same values.
    init : str
        One of `choices.INITS`.

    Returns
    -------
    list of (W, b)
        Host arrays, float64.

    References
    ----------
    He et al.: Delving Deep into Rectifiers, ICCV 2015, equation 10. Glorot, Bengio:
    Understanding the Difficulty of Training Deep Feedforward Neural Networks, AISTATS
    2010, equation 12.
    """
    features, last = layer_sizes[0], len(layer_sizes) - 1
    layers = []
    for l, (inputs, outputs) in enumerate(pairwise(layer_sizes), start=1):
        var_W = 1 / features if l == 1 else 1 / (inputs + outputs)
        var_b = 1 / features if l == last else 1 / outputs
        if init != "notebook":
            var_W, var_b = 2 / (inputs if init == "he" else inputs + outputs), 0.0
        W = rng.standard_normal((outputs, inputs)) * sqrt(var_W)
        b = rng.standard_normal((outputs, 1)) * sqrt(var_b)
        layers.append((W, b))
    return layers


def flatten(layers: Iterable[Layer]) -> Array:
    """Concatenate ``W[1], b[1], W[2], b[2], ...`` to one vector, (parameters,)."""
    arrays = [array for layer in layers for array in layer]
    xp = array_namespace(*arrays)
    return xp.concat([xp.reshape(array, (-1,)) for array in arrays])


def unflatten(theta: Array, layer_sizes: Sequence[int]) -> list[Layer]:
    """Split ``theta`` into ``[(W[1], b[1]), ...]``, as views where the library supports them."""
    xp = array_namespace(theta)
    layers, start = [], 0
    for inputs, outputs in pairwise(layer_sizes):
        middle = start + outputs * inputs
        stop = middle + outputs
        W = xp.reshape(theta[start:middle], (outputs, inputs))
        b = xp.reshape(theta[middle:stop], (outputs, 1))
        layers.append((W, b))
        start = stop
    return layers


def weight_mask(theta: Array, layer_sizes: Sequence[int]) -> Array:
    """Return 1 where ``theta`` holds a weight and 0 where it holds a bias."""
    xp = array_namespace(theta)
    layers = unflatten(theta, layer_sizes)
    return flatten((xp.ones_like(W), xp.zeros_like(b)) for W, b in layers)


def fold_input_scale(theta: Array, layer_sizes: Sequence[int], scale: float) -> Array:
    """Return parameters that give for inputs ``X`` what ``theta`` gives for ``scale * X``."""
    (W, b), *rest = unflatten(theta, layer_sizes)
    return flatten([(W * scale, b), *rest])
