"""Random deformation of images: rotation, scaling, shear, shift and elastic deformation.

Works on a batch at a time, with any array library. Each pixel of a deformed image is
sampled from a position in the original. The row and the column of that position, as
functions of the pixel, are linear combinations of a few fixed *basis fields*: a constant
(shift), the pixel's own row and column (any affine map), and smooth waves (elastic). So a
batch's displacements are one matrix product of random coefficients and this basis; the
rest is bilinear interpolation.

Simard's elastic field is white noise smoothed by a Gaussian of ``sigma`` pixels, which has
the covariance ``exp(-d^2 / (4 sigma^2)) / (4 pi sigma^2)`` at distance ``d``. This is a
product of a function of the rows and one of the columns, and has low rank on an image. So
its leading eigenvectors (the Karhunen-Loeve expansion) are enough: 26 for 28 x 28.

References
----------
Simard, Steinkraus, Platt: Best Practices for Convolutional Neural Networks Applied to
Visual Document Analysis, ICDAR 2003. Ciresan, Meier, Gambardella, Schmidhuber: Deep, Big,
Simple Neural Nets for Handwritten Digit Recognition, Neural Computation 22 (2010).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import pi, radians, sqrt
from typing import Any, TypeAlias

from array_api_compat import array_namespace, device

from mnn_gpu.utils.validation import number_in, several, whole

Array: TypeAlias = Any

AFFINE_FIELDS = 3
"""Basis fields that come before the waves: constant, row, column."""

UNIFORMS = 6
"""Random numbers per affine map: rotation, shear, two scalings, two shifts."""

LIMITS = {
    "rotation": 181.0,
    "shear": 90.0,
    "scaling": 1.0,
    "shift": 1e4,
    "alpha": 1e6,
    "sigma": 1e4,
}
"""Upper bounds (exclusive) of the parameters of an `Augmentation`."""


@dataclass(frozen=True, kw_only=True)
class Augmentation:
    """Ranges of random deformations; each value is drawn uniformly from its range.

    Attributes
    ----------
    rotation, shear : float
        Maximum angle in degrees, in either direction.
    scaling : float
        Maximum relative change of the height and of the width, independently.
    shift : float
        Maximum shift in pixels, in either direction and along both axes.
    alpha : float
        Strength of the elastic field in pixels, as Simard defines it: the factor applied to
        noise between -1 and 1 after smoothing.
    sigma : float
        Smoothness of the elastic field: standard deviation of the Gaussian in pixels, 1 or more.
    half_turned : tuple of int
        Labels that are rotated and sheared by half as much: 1 and 7 in MNIST (Ciresan 2010).
    """

    rotation: float = 15.0
    shear: float = 10.0
    scaling: float = 0.15
    shift: float = 1.5
    alpha: float = 38.0
    sigma: float = 5.5
    half_turned: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        for name, most in LIMITS.items():
            # Below one pixel, a sum over the grid no longer approximates a Gaussian.
            least = 1.0 if name == "sigma" else 0.0
            range_ = f"from {least:g} up to below {most:g}"
            value = number_in(name, getattr(self, name), range_, _is_in(least, most))
            object.__setattr__(self, name, value)
        labels = several(self.half_turned)
        labels = tuple(whole("half_turned", label, 0) for label in labels)
        object.__setattr__(self, "half_turned", labels)


def _is_in(least: float, most: float) -> Callable[[float], bool]:
    return lambda number: least <= number < most


def deformation_basis(
    augmentation: Augmentation, shape: tuple[int, int], xp: Any, captured: float = 0.999
) -> Array:
    """Return the basis fields of the displacements, (3 + waves, height * width).

    Parameters
    ----------
    augmentation : Augmentation
    shape : (height, width)
    xp : module
        The namespace of the result, with ``linalg``. Use the host's, so that all devices
        get the same waves.
    captured : float
        Fraction of the field's variance that the waves must explain.
    """
    height, width = shape
    y = xp.arange(height, dtype=xp.float64) - (height - 1) / 2
    x = xp.arange(width, dtype=xp.float64) - (width - 1) / 2
    one = xp.ones((height, width), dtype=xp.float64)
    affine = [one, y[:, None] * one, x[None, :] * one]
    waves = _waves(y, x, augmentation, xp, captured) if augmentation.alpha else []
    return xp.stack([xp.reshape(field, (-1,)) for field in [*affine, *waves]])


def _waves(y: Array, x: Array, augmentation: Augmentation, xp: Any, captured: float) -> list[Array]:
    """Return the leading modes of the elastic field, each times its standard deviation."""
    rows, columns = (_modes(axis, augmentation.sigma, xp) for axis in (y, x))
    variances = sorted(
        ((p * q, i, j) for i, p in enumerate(rows[0]) for j, q in enumerate(columns[0])),
        reverse=True,
    )
    # Uniform noise from -1 to 1 has a variance of 1/3.
    strength = augmentation.alpha / sqrt(3 * 4 * pi) / augmentation.sigma
    left = sum(variance for variance, _, _ in variances)
    waves, missing = [], (1 - captured) * left
    for variance, i, j in variances:
        if left <= missing:
            break
        left -= variance
        wave = rows[1][:, i][:, None] * columns[1][:, j][None, :]
        waves.append(wave * (strength * sqrt(variance)))
    return waves


def _modes(axis: Array, sigma: float, xp: Any) -> tuple[list[float], Array]:
    """Return the variances and eigenvectors of smoothed noise along one axis."""
    distance = axis[:, None] - axis[None, :]
    variances, vectors = xp.linalg.eigh(xp.exp(-(distance**2) / (4 * sigma**2)))
    # The sign of an eigenvector depends on the library.
    vectors = vectors * xp.where(vectors[:1, :] < 0, -1.0, 1.0)
    return [max(float(variance), 0.0) for variance in variances], vectors


def displacements(
    uniforms: Array,
    normals: Array,
    augmentation: Augmentation,
    shape: tuple[int, int],
    rotation_factor: Array,
) -> Array:
    """Convert random numbers to the coefficients of a batch's displacements.

    Parameters
    ----------
    uniforms : (m, 6), floating, -1 to 1
    normals : (m, 2, waves), floating
        With mean 0 and variance 1.
    augmentation : Augmentation
    shape : (height, width)
    rotation_factor : (m,), floating
        Multiplies the rotation and the shear of each image, 0 to 1.

    Returns
    -------
    (m, 2, 3 + waves)
        Coefficients of the source row and of the source column.
    """
    xp = array_namespace(uniforms)
    angle = uniforms[:, 0] * rotation_factor * radians(augmentation.rotation)
    slant = xp.tan(uniforms[:, 1] * rotation_factor * radians(augmentation.shear))
    tall, wide = (1 + uniforms[:, i] * augmentation.scaling for i in (2, 3))
    down = uniforms[:, 4] * augmentation.shift + (shape[0] - 1) / 2
    right = uniforms[:, 5] * augmentation.shift + (shape[1] - 1) / 2
    cos, sin = xp.cos(angle), xp.sin(angle)
    # Rotation times shear times scaling.
    row = [down, (cos - sin * slant) * tall, -sin * wide]
    column = [right, (sin + cos * slant) * tall, cos * wide]
    affine = xp.stack([xp.stack(row, axis=-1), xp.stack(column, axis=-1)], axis=1)
    return xp.concat([affine, xp.astype(normals, affine.dtype)], axis=2)


def deform(X: Array, warp: Array, basis: Array, shape: tuple[int, int]) -> Array:
    """Deform images; positions outside an image take its nearest pixel.

    Parameters
    ----------
    X : (m, height * width), floating
    warp : (m, 2, fields), the dtype of ``X``
    basis : (fields, height * width), the dtype of ``X``
    shape : (height, width), at least 2 by 2

    Returns
    -------
    (m, height * width), the dtype of ``X``
    """
    xp = array_namespace(X)
    height, width = shape
    top, down = _cell(warp[:, 0, :] @ basis, height)
    left, right = _cell(warp[:, 1, :] @ basis, width)
    index = xp.__array_namespace_info__().default_dtypes()["indexing"]
    first = xp.arange(X.shape[0], dtype=index, device=device(X)) * (height * width)
    corner = xp.reshape(xp.astype(top * width + left, index) + first[:, None], (-1,))
    flat = xp.reshape(X, (-1,))

    def pixels(offset: int) -> Array:
        return xp.reshape(xp.take(flat[offset:], corner, axis=0), X.shape)

    upper = _between(pixels(0), pixels(1), right)
    lower = _between(pixels(width), pixels(width + 1), right)
    return _between(upper, lower, down)


def _cell(position: Array, length: int) -> tuple[Array, Array]:
    """Return the pixel before each position along an axis, and the distance from it."""
    xp = array_namespace(position)
    position = xp.minimum(xp.maximum(position, 0), length - 1)
    pixel = xp.minimum(xp.floor(position), length - 2)
    return pixel, position - pixel


def _between(one: Array, other: Array, weight: Array) -> Array:
    return one + weight * (other - one)
