"""Where a picture's ink is: paper and light are estimated and taken away."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

Array: TypeAlias = "npt.NDArray[Any]"

THUMB = 40
"""The paper is estimated on a thumbnail with about so many pixels along its longer side."""

LEAST_CONTRAST = 0.06
LEAST_CLARITY = 7.0
"""How far ink must lie from the paper: of white to black, and in the noise's deviations."""
LEAST_PARTED = 0.8
LEAST_STEP = 0.2
"""Where ink fills the picture: the part of the greys' variance that lies between ink and paper,
and how far apart they are."""


def ink_of(colours: Array) -> Array | None:
    """Return how much ink lies where, about 0 to 1, or None where nothing is drawn.

    Parameters
    ----------
    colours : (height, width, 3) float, 0 to 1

    Returns
    -------
    (height, width) float32 or None
        0 on paper, about 1 in the middle of a stroke, whether ink is darker or lighter.
    """
    first = _difference(colours, _paper(colours))
    strength = np.sqrt((first**2).mean(axis=2))
    if not _clear(strength):
        return None
    marked = strength > otsu(strength)
    paper = _paper_around(colours, marked)
    difference = _difference(colours, paper)
    lighter = float(difference[marked].mean()) < 0
    # Light multiplies: ink in the shadow is as dark, measured against its paper.
    most = 1 - paper if lighter else paper
    relative = difference / np.maximum(most, 0.25)
    strong = marked & (strength >= np.median(strength[marked]))
    direction = relative[strong].mean(axis=0)
    ink: Array = (relative @ direction / max(float(direction @ direction), 1e-9)).astype(np.float32)
    return ink


def with_margin(colours: Array) -> Array | None:
    """Return a picture that ink fills to its edges with paper around it, None for another.

    The paper is the lighter or the darker part: the one that has more of the four corners,
    and the lighter if it is two to two.
    """
    grey = colours.mean(axis=2)
    dark = grey <= otsu(grey)
    light = ~dark
    if not (dark.any() and light.any()):
        return None
    step, share = float(grey[light].mean() - grey[dark].mean()), float(dark.mean())
    between = share * (1 - share) * step**2
    if step < LEAST_STEP or between < LEAST_PARTED * float(grey.var()):
        return None
    corners = dark[:: max(len(dark) - 1, 1), :: max(dark.shape[1] - 1, 1)]
    paper = dark if corners.mean() > 0.5 else light
    wide = max(grey.shape) // 2 + 1
    margin = np.pad(colours, ((wide, wide), (wide, wide), (0, 0)))
    margin[:] = np.median(colours[paper], axis=0)
    margin[wide:-wide, wide:-wide] = colours
    return margin


def otsu(values: Array) -> float:
    """Return the threshold that parts values into two classes of least variance within.

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
    # Where classes lie far apart every threshold between them is as good: the middle one.
    best = np.flatnonzero(between >= between.max() * (1 - 1e-9))
    return float(edges[1:-1][best].mean())


def _paper(colours: Array) -> Array:
    """Return the paper under the ink: medians over half the picture, (height, width, 3)."""
    from scipy.ndimage import median_filter, zoom

    height, width = colours.shape[:2]
    step = max(1, -(-max(height, width) // THUMB))
    rows, columns = (slice(min(step, side) // 2, None, step) for side in (height, width))
    thumb = colours[rows, columns]
    window = max(3, max(thumb.shape[:2]) // 2 | 1)
    small = median_filter(thumb, size=(window, window, 1), mode="nearest")
    factors = (height / small.shape[0], width / small.shape[1])
    # Each colour on its own: the same values in half the time of all three with a factor of 1.
    planes = [
        zoom(small[..., i], factors, order=1, mode="nearest", grid_mode=True) for i in range(3)
    ]
    return np.stack(planes, axis=-1)


def _paper_around(colours: Array, marked: Array) -> Array:
    """Return the paper more closely, once the ink is known: what is bare is averaged."""
    from scipy.ndimage import binary_dilation, uniform_filter

    longest = max(marked.shape)
    bare = ~binary_dilation(marked, iterations=1 + longest // 100)[..., None]
    window = (max(3, longest // 8 | 1),) * 2 + (1,)
    # Where no paper is near, that of the whole picture.
    whole = (colours * bare).sum(axis=(0, 1)) / max(int(bare.sum()), 1)
    light = uniform_filter(uniform_filter(colours * bare, window), window) + 1e-4 * whole
    weight = uniform_filter(uniform_filter(bare.astype(np.float32), window), window)
    return np.asarray(light / (weight + 1e-4))


def _difference(colours: Array, paper: Array) -> Array:
    """Return how much darker than the paper each pixel is, noise smoothed a little."""
    from scipy.ndimage import gaussian_filter

    sigma = max(colours.shape) / 500
    return np.asarray(gaussian_filter(paper - colours, (sigma, sigma, 0)))


def _clear(strength: Array) -> bool:
    """Tell ink from the paper's own texture and the camera's noise."""
    most = float(np.quantile(strength, 1 - min(0.001, 10 / strength.size)))
    usual = float(np.median(strength)) + 1e-6
    return most > LEAST_CONTRAST and most > LEAST_CLARITY * usual
