"""Compare the analytic gradient with central differences."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from mnn_gpu.errors import UsageError
from mnn_gpu.nn import network
from mnn_gpu.nn.losses import cross_entropy
from mnn_gpu.nn.parameters import flatten, init_parameters, unflatten
from mnn_gpu.utils.random_streams import CHECK, PARAMETERS, generator

STEP = 1e-5
"""Near the cube root of float64's rounding unit, where the rounding error of a central
difference (about 1e-16 / h) and its truncation error (about h^2) balance."""

TOLERANCE = 1e-6
MOST = 10**6

ROUNDING = 1e-9
"""Possible effect of rounding on a central difference: about 2e-16 of the loss, over 2 h."""

Vector = npt.NDArray[np.float64]


@dataclass(frozen=True)
class GradientCheck:
    """Comparison of one array's analytic gradient with central differences.

    Attributes
    ----------
    name : str
        For example ``"dW[1]"``.
    entries : int
        Number of entries compared.
    left_out : int
        Number of entries skipped because the step crosses the kink of a ReLU, where there
        is no derivative.
    relative_error : float
        ``|analytic - numeric| / (|analytic| + |numeric|)``, in Euclidean norms.
    largest_error : float
        Largest absolute error of an entry.
    is_zero : bool
        Whether the gradient is 0 everywhere, as it is for units that are never active.
    """

    name: str
    entries: int
    left_out: int
    relative_error: float
    largest_error: float
    is_zero: bool

    @property
    def digits(self) -> float:
        """Number of decimal digits to which the two agree, at most 16."""
        return 16.0 if self.relative_error <= 1e-16 else -math.log10(self.relative_error)

    @property
    def verdict(self) -> str:
        """``"agrees"``, ``"differs"`` or ``"nothing to compare"``."""
        close = self.relative_error < TOLERANCE or self.largest_error < ROUNDING
        if not close:
            return "differs"
        return "nothing to compare" if self.is_zero or not self.entries else "agrees"


def check_gradients(
    layer_sizes: Sequence[int] = (784, 10, 10, 10),
    *,
    samples: int = 20,
    entries: int = 200,
    seed: int = 0,
) -> list[GradientCheck]:
    """Compare `network.backward` with central differences of the loss, in float64.

    Parameters
    ----------
    layer_sizes : sequence of int
        Features, hidden units layer by layer, classes.
    samples : int
        Random samples in the batch, pixels uniform from 0 to 1.
    entries : int
        Maximum number of randomly chosen entries compared in each array.
    seed : int

    Returns
    -------
    list of GradientCheck
        ``dW[1], db[1], dW[2], ...``

    Raises
    ------
    UsageError
        If a size or a number is below 1 or above a million, or the seed is negative.

    References
    ----------
    Nocedal, Wright: Numerical Optimization (2006), section 8.1.
    """
    numbers = (*layer_sizes, samples, entries)
    if not all(1 <= number <= MOST for number in numbers) or len(layer_sizes) < 2 or seed < 0:
        raise UsageError(
            f"layer sizes {tuple(layer_sizes)}, {samples} samples, {entries} entries and seed "
            f"{seed} are not all from 1 to {MOST:,} (the seed from 0).",
            "Give smaller or larger whole numbers.",
        )
    rng = generator(CHECK, seed)
    X = rng.random((layer_sizes[0], samples))
    Y = network.one_hot(rng.integers(layer_sizes[-1], size=samples), layer_sizes[-1], np.float64)
    theta = flatten(init_parameters(layer_sizes, generator(PARAMETERS, seed)))
    layers = unflatten(theta, layer_sizes)
    sums = flatten(network.backward(layers, *network.forward(layers, X), X, Y))
    analytic = sums / samples

    checks, start = [], 0
    for l, layer in enumerate(layers, start=1):
        for name, array in zip((f"dW[{l}]", f"db[{l}]"), layer, strict=True):
            chosen = start + rng.permutation(array.size)[:entries]
            numeric = np.array([_slope(theta, i, layer_sizes, X, Y) for i in chosen])
            checks.append(_compared(name, analytic[chosen], numeric))
            start += array.size
    return checks


def _slope(theta: Vector, i: int, layer_sizes: Sequence[int], X: Vector, Y: Vector) -> float:
    """Return the central difference of the loss in parameter i, NaN across a kink."""
    losses, patterns = [], []
    for sign in (1, -1):
        moved = theta.copy()
        moved[i] += sign * STEP
        Z, _ = network.forward(unflatten(moved, layer_sizes), X)
        losses.append(float(cross_entropy(Z[-1], Y)[0]) / X.shape[1])
        patterns.append([z > 0 for z in Z[:-1]])
    same = all(np.array_equal(a, b) for a, b in zip(*patterns, strict=True))
    return (losses[0] - losses[1]) / (2 * STEP) if same else math.nan


def _compared(name: str, analytic: Vector, numeric: Vector) -> GradientCheck:
    smooth = np.isfinite(numeric)
    a, n = analytic[smooth], numeric[smooth]
    scale: Any = np.linalg.norm(a) + np.linalg.norm(n)
    return GradientCheck(
        name=name,
        entries=int(smooth.sum()),
        left_out=int((~smooth).sum()),
        relative_error=float(np.linalg.norm(a - n) / scale) if scale else 0.0,
        largest_error=float(np.abs(a - n).max(initial=0.0)),
        is_zero=not a.any(),
    )
