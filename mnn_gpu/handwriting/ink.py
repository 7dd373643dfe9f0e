"""Locating ink in an image: paper and lighting are estimated and removed."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

Array: TypeAlias = "npt.NDArray[Any]"

THUMB = 40
"""Longer side, in pixels, of the thumbnail on which the paper is estimated."""

LEAST_CONTRAST = 0.06
LEAST_CLARITY = 7.0
"""Minimum difference between ink and paper: of white and black, and in standard deviations of the
noise."""
LEAST_PARTED = 0.8
LEAST_STEP = 0.2
"""If ink fills the image: the fraction of the gray levels' variance between ink and paper,
and their minimum difference."""


def ink_of(colors: Array) -> Array | None:
    """Return the amount of ink per pixel, about 0 to 1, or None if nothing is drawn.

    Parameters
    ----------
    colors : (height, width, 3) float, 0 to 1

    Returns
    -------
    (height, width) float32 or None
        0 on paper, about 1 in the middle of a stroke, for dark and for light ink.
    """
    first = _difference(colors, _paper(colors))
    strength = np.sqrt((first**2).mean(axis=2))
    if not _clear(strength):
        return None
    marked = strength > otsu(strength)
    paper = _paper_around(colors, marked)
    difference = _difference(colors, paper)
    lighter = float(difference[marked].mean()) < 0
    # Lighting is a factor: relative to its paper, ink in shadow is as dark.
    most = 1 - paper if lighter else paper
    relative = difference / np.maximum(most, 0.25)
    strong = marked & (strength >= np.median(strength[marked]))
    direction = relative[strong].mean(axis=0)
    ink: Array = (relative @ direction / max(float(direction @ direction), 1e-9)).astype(np.float32)
    return ink


def with_margin(colors: Array) -> Array | None:
    """Return an image with paper added around it if ink fills it to the edges, else None.

    The paper is the lighter or the darker part: the one that contains more of the four corners,
    or the lighter one if each contains two.
    """
    gray = colors.mean(axis=2)
    dark = gray <= otsu(gray)
    light = ~dark
    if not (dark.any() and light.any()):
        return None
    step, share = float(gray[light].mean() - gray[dark].mean()), float(dark.mean())
    between = share * (1 - share) * step**2
    if step < LEAST_STEP or between < LEAST_PARTED * float(gray.var()):
        return None
    corners = dark[:: max(len(dark) - 1, 1), :: max(dark.shape[1] - 1, 1)]
    paper = dark if corners.mean() > 0.5 else light
    wide = max(gray.shape) // 2 + 1
    margin = np.pad(colors, ((wide, wide), (wide, wide), (0, 0)))
    margin[:] = np.median(colors[paper], axis=0)
    margin[wide:-wide, wide:-wide] = colors
    return margin


def otsu(values: Array) -> float:
    """Return the threshold that splits values into two classes with least within-class variance.

    Source: N. Otsu, "A Threshold Selection Method from Gray-Level Histograms", IEEE
    Transactions on Systems, Man, and Cybernetics 9, 1979.
    """
    counts, edges = np.histogram(values, bins=256)
    middles = (edges[:-1] + edges[1:]) / 2
    below = np.cumsum(counts)[:-1]
    above = counts.sum() - below
    sums = np.cumsum(counts * middles)
    mean_below = sums[:-1] / np.maximum(below, 1)
    mean_above = (sums[-1] - sums[:-1]) / np.maximum(above, 1)
    between = below.astype(float) * above * (mean_above - mean_below) ** 2
    # If classes are far apart, all thresholds between them are equal: take the middle one.
    best = np.flatnonzero(between >= between.max() * (1 - 1e-9))
    return float(edges[1:-1][best].mean())


def _paper(colors: Array) -> Array:
    """Return the paper under the ink: medians over half the image, (height, width, 3)."""
    from scipy.ndimage import median_filter, zoom

    height, width = colors.shape[:2]
    step = max(1, -(-max(height, width) // THUMB))
    rows, columns = (slice(min(step, side) // 2, None, step) for side in (height, width))
    thumb = colors[rows, columns]
    window = max(3, max(thumb.shape[:2]) // 2 | 1)
    small = median_filter(thumb, size=(window, window, 1), mode="nearest")
    factors = (height / small.shape[0], width / small.shape[1])
    # Each color separately: the same values in half the time of all three with a factor of 1.
    planes = [
        zoom(small[..., i], factors, order=1, mode="nearest", grid_mode=True) for i in range(3)
    ]
    return np.stack(planes, axis=-1)


def _paper_around(colors: Array, marked: Array) -> Array:
    """Return a better estimate of the paper, given the ink: the average of ink-free pixels."""
    from scipy.ndimage import binary_dilation, uniform_filter

    longest = max(marked.shape)
    bare = ~binary_dilation(marked, iterations=1 + longest // 100)[..., None]
    window = (max(3, longest // 8 | 1),) * 2 + (1,)
    # Where no paper is near, use the average of the whole image.
    whole = (colors * bare).sum(axis=(0, 1)) / max(int(bare.sum()), 1)
    light = uniform_filter(uniform_filter(colors * bare, window), window) + 1e-4 * whole
    weight = uniform_filter(uniform_filter(bare.astype(np.float32), window), window)
    return np.asarray(light / (weight + 1e-4))


def _difference(colors: Array, paper: Array) -> Array:
    """Return how much darker than the paper each pixel is, with noise smoothed slightly."""
    from scipy.ndimage import gaussian_filter

    sigma = max(colors.shape) / 500
    return np.asarray(gaussian_filter(paper - colors, (sigma, sigma, 0)))


def _clear(strength: Array) -> bool:
    """Return whether the ink is distinct from paper texture and camera noise."""
    most = float(np.quantile(strength, 1 - min(0.001, 10 / strength.size)))
    usual = float(np.median(strength)) + 1e-6
    return most > LEAST_CONTRAST and most > LEAST_CLARITY * usual
