"""Preprocessing of an image of one digit, as for MNIST."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from mnn_gpu.errors import DataError
from mnn_gpu.handwriting.decode import ImageInput, colors, opened, pillow
from mnn_gpu.handwriting.ink import ink_of, otsu, with_margin
from mnn_gpu.handwriting.pieces import digit_of
from mnn_gpu.handwriting.surroundings import without_surroundings

Array: TypeAlias = "npt.NDArray[Any]"

SIDE, BOX = 28, 20
"""The size of MNIST's images, and of the box into which a digit is scaled."""

MIDDLE = 14
"""Row and column, from 0, of a digit's center of mass in MNIST's files: their mean is 14.0."""

LEAST_PEN = 0.11
"""Thinner lines, relative to the digit's longer side, are widened: in 20 pixels they would vanish.
"""


def prepare_digit(image: ImageInput) -> npt.NDArray[np.uint8]:
    """Preprocess an image of one handwritten digit as MNIST was preprocessed.

    The ink is detected, whether dark on light or light on dark, on transparent, unevenly lit
    or ruled paper. A table around the paper, a printed box, circle or underline, the rim of a
    screenshot and anything else along the border are removed; a digit may touch the edges of the
    image. It is cropped, scaled to 20 x 20 pixels keeping its proportions, and placed in
    28 x 28 with its center of mass in the middle. Lines too thin to be visible at that size
    are widened, which was not needed for MNIST.

    Parameters
    ----------
    image : path, array or PIL.Image.Image
        A file that Pillow reads (PNG, JPEG, GIF, WebP, BMP, TIFF); or gray, RGB or RGBA,
        (height, width[, 3 or 4]), as uint8 from 0 to 255 or floats from 0 to 1. One digit.

    Returns
    -------
    (28, 28) uint8
        255 is ink, 0 is paper; ready for `predict` as ``digit[None]``.

    Raises
    ------
    DataError
        If it is not an image, is damaged, has more than 80 million pixels (50 million in files
        other than JPEG), or nothing is drawn.
    UsageError
        If the extra ``images`` is not installed.

    References
    ----------
    Y. LeCun, C. Cortes, C. J. C. Burges, "The MNIST database of handwritten digits".
    """
    decoded, source = opened(image)
    paper = without_surroundings(colors(decoded))
    ink = ink_of(paper)
    if ink is None and (padded := with_margin(paper)) is not None:
        ink = ink_of(padded)
    marked = None if ink is None else digit_of(ink > otsu(np.clip(ink, 0, 1)))
    if ink is None or marked is None:
        raise DataError(
            f"{source} contains no drawing.",
            "Give an image of one digit that is clearly distinct from its background.",
        )
    return _centered(_scaled(*_cropped(ink, marked)))


def _cropped(ink: Array, marked: Array) -> tuple[Array, Array]:
    """Crop to the marked ink with its soft edges; return ink and marks, (height, width)."""
    rows, columns = (np.flatnonzero(marked.any(axis=axis)) for axis in (1, 0))
    part = slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
    return ink[part], marked[part]


def _scaled(ink: Array, marked: Array) -> Array:
    """Scale ink to 20 x 20 pixels by averaging; (height, width), 0 to 1."""
    from scipy.ndimage import binary_dilation, distance_transform_edt

    longest = max(ink.shape)
    # The mean distance to the edge, across a stroke, is a quarter of its width.
    pen = 4 * float(distance_transform_edt(np.pad(marked, 1))[1:-1, 1:-1][marked].mean()) - 1
    edge = binary_dilation(marked, np.ones((3, 3)))
    soft = np.clip(ink, 0, 1) * edge
    more = (LEAST_PEN * longest - pen) / 2
    if more >= 0.5:
        soft = _widened(soft, more)
    scale = BOX / max(soft.shape)
    size = [max(1, round(side * scale)) for side in soft.shape[::-1]]
    images = pillow()
    small = images.fromarray(soft.astype(np.float32)).resize(size, images.Resampling.BICUBIC)
    pixels = np.clip(np.asarray(small, np.float64), 0, None)
    return np.asarray(pixels / pixels.max())


def _widened(soft: Array, more: float) -> Array:
    """Redraw with a pen wider by ``more`` pixels on either side."""
    from scipy.ndimage import maximum_filter1d

    reach = int(np.ceil(more))
    padded = np.pad(soft, reach)
    wide = padded.copy()
    # A disc is composed of lines, which takes far fewer steps than its area.
    for row in range(reach + 1):
        half = int(np.sqrt(max((more + 0.25) ** 2 - row**2, -1))) if row <= more + 0.25 else -1
        if half >= 0:
            line = maximum_filter1d(padded, 2 * half + 1, axis=1, mode="constant")
            wide[row:] = np.maximum(wide[row:], line[: len(line) - row])
            wide[: len(wide) - row] = np.maximum(wide[: len(wide) - row], line[row:])
    return wide


def _centered(digit: Array) -> npt.NDArray[np.uint8]:
    """Place a digit in 28 x 28 with its center of mass in the middle, as far as it fits."""
    image = np.zeros((SIDE, SIDE), np.uint8)
    weight = digit.sum()
    height, width = digit.shape
    row = (digit.sum(axis=1) @ np.arange(height)) / weight
    column = (digit.sum(axis=0) @ np.arange(width)) / weight
    top = int(np.clip(round(MIDDLE - row), 0, SIDE - height))
    left = int(np.clip(round(MIDDLE - column), 0, SIDE - width))
    image[top : top + height, left : left + width] = np.rint(digit * 255)
    return image
