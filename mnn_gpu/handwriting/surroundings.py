"""Removing what surrounds the paper in an image: tables, printed boxes, rims.

The image is divided into dark and light. A connected piece of one of them that is
nearly a rectangle and contains pieces of the other is paper with ink on it.
"""

from __future__ import annotations

from typing import Any, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from mnn_gpu.handwriting.ink import otsu

Array: TypeAlias = "npt.NDArray[Any]"

LEAST_PAPER = 0.015
"""Fraction of the image's area: smaller rectangles belong to the digit or to ruled lines."""
MOST_INK = 0.5
"""Fraction of the paper's area: a piece with a larger hole is a box, or a zero."""
LEAST_SIDE = 10
"""Size of paper, in pixels."""
LEAST_RECTANGLE = 0.85
"""Fraction of its smallest bounding rectangle that paper fills; an ellipse fills 0.785."""
LEAST_INK = 0.1
"""Size of ink, relative to the paper's shorter side."""
MUCH_INK = 0.3
"""The same for ink that touches the paper's edge."""
WHOLE = 0.75
"""Fraction of the enclosed area that such paper must be."""
LEAST_BARE = 0.12
"""Radius of the largest disc in such paper, relative to its longer side."""
LEAST_STEP = 0.12
"""Step in brightness at the paper's edge, of white to black."""
EDGE = 0.012
"""Width of the strip along the paper's edge that is removed, relative to its longer side."""
MOST_SHEETS = 4


class Paper(NamedTuple):
    """The area of paper, its part without ink, and the length of its largest piece of ink."""

    area: Array
    bare: Array
    ink: int


def without_surroundings(colors: Array) -> Array:
    """Return the part of an image with the innermost paper, (height, width, 3).

    Parameters
    ----------
    colors : (height, width, 3) float, 0 to 1
    """
    for _ in range(MOST_SHEETS):
        paper = _paper_of(colors.mean(axis=2))
        if paper is None:
            return colors
        colors = _cut_out(colors, paper)
    return colors


def _paper_of(gray: Array) -> Paper | None:
    """Return the paper with the largest ink, None if it is the whole image."""
    dark = gray <= otsu(gray)
    found = [paper for part in (dark, ~dark) for paper in _papers(part, gray)]
    return max(found, key=lambda paper: paper.ink, default=None)


def _papers(part: Array, gray: Array) -> list[Paper]:
    from scipy.ndimage import find_objects, label

    pieces, count = label(part)
    sizes = np.bincount(pieces.ravel(), minlength=count + 1)[1:]
    boxes = find_objects(pieces)
    inner = ~np.isin(
        np.arange(1, count + 1),
        np.concatenate([pieces[0], pieces[-1], pieces[:, 0], pieces[:, -1]]),
    )
    found = []
    for i in np.flatnonzero(sizes >= (1 - MOST_INK) * LEAST_PAPER * part.size):
        bare = pieces[boxes[i]] == i + 1
        if min(bare.shape) < LEAST_SIDE:
            continue
        area = _area(bare, is_whole=inner[i] and sizes[i] >= WHOLE * sizes[inner].sum())
        if area is None or not LEAST_PAPER * part.size <= area.sum() < part.size:
            continue
        if bare.sum() < MOST_INK * area.sum() or not is_rectangle(area):
            continue
        ink = _longest(area & ~bare)
        paper = Paper(np.zeros_like(part), np.zeros_like(part), ink)
        paper.area[boxes[i]], paper.bare[boxes[i]] = area, bare
        if _ends_sharply(paper.area, gray):
            found.append(paper)
    return found


def _area(bare: Array, is_whole: bool) -> Array | None:
    """Return ink-free paper and the ink on it; None if there is none.

    Ink may touch the edge of complete paper. If it divides the paper, at the border of the
    image, and on paper that is narrow everywhere, the paper is part of a digit.
    """
    from scipy.ndimage import binary_fill_holes, distance_transform_edt

    area = np.asarray(binary_fill_holes(bare))
    if _longest(area & ~bare) >= LEAST_INK * min(bare.shape):
        return area
    area = _with_bays(bare)
    if not is_whole or _longest(area & ~bare) < MUCH_INK * min(bare.shape):
        return None
    widest = float(distance_transform_edt(np.pad(bare, 1)).max())
    return area if widest >= LEAST_BARE * max(bare.shape) else None


def _with_bays(piece: Array) -> Array:
    """Fill the gaps between two parts in the same row or column."""
    rows, columns = (
        np.logical_or.accumulate(piece, axis=axis)
        & np.flip(np.logical_or.accumulate(np.flip(piece, axis), axis=axis), axis)
        for axis in (1, 0)
    )
    return np.asarray(rows | columns)


def _longest(ink: Array) -> int:
    """Return the longest side of a piece of ink."""
    from scipy.ndimage import find_objects, label

    pieces = find_objects(label(ink, np.ones((3, 3)))[0])
    return max((max(s.stop - s.start for s in piece) for piece in pieces), default=0)


def is_rectangle(area: Array) -> bool:
    """Return whether a filled piece is nearly a rectangle, at any angle."""
    rows = np.flatnonzero(area.any(axis=1))
    first, last = area[rows].argmax(axis=1), area.shape[1] - area[rows, ::-1].argmax(axis=1)
    y = np.concatenate([rows, rows, rows + 1, rows + 1])
    x = np.concatenate([first, last, first, last])
    turn = np.radians(np.arange(-45, 45, 3))[:, None]
    across, along = x * np.cos(turn) + y * np.sin(turn), y * np.cos(turn) - x * np.sin(turn)
    smallest = (np.ptp(across, axis=1) * np.ptp(along, axis=1)).min()
    return bool(area.sum() >= LEAST_RECTANGLE * smallest)


def _ends_sharply(area: Array, gray: Array) -> bool:
    """Return whether brightness has a step at the paper's edge, unlike the slope of a shadow."""
    from scipy.ndimage import binary_dilation, binary_erosion

    reach = 1 + max(area.shape) // 150
    within = np.median(gray[area & ~binary_erosion(area, iterations=reach, border_value=1)])
    # A box's line may be thin: each distance is checked separately.
    for _ in range(reach):
        wider = binary_dilation(area)
        beyond = wider & ~area
        if beyond.any() and abs(np.median(gray[beyond]) - within) >= LEAST_STEP:
            return True
        area = wider
    return False


def _cut_out(colors: Array, paper: Paper) -> Array:
    """Crop to the paper; pixels beyond it are replaced by the nearest ink-free paper."""
    from scipy.ndimage import binary_erosion, distance_transform_edt

    edge = 1 + int(EDGE * max(paper.area.shape))
    inner = binary_erosion(paper.area, iterations=edge, border_value=1)
    rows, columns = (np.flatnonzero(inner.any(axis=axis)) for axis in (1, 0))
    part = slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
    inner, bare = inner[part], (inner & paper.bare)[part]
    nearest = distance_transform_edt(~bare, return_distances=False, return_indices=True)
    cut: Array = np.where(inner[..., None], colors[part], colors[part][tuple(nearest)])
    return cut
