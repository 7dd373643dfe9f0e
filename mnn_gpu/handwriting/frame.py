"""Erasing the lines of a printed box that touches the digit."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from mnn_gpu.handwriting.surroundings import is_rectangle

Array: TypeAlias = "npt.NDArray[Any]"

THIN = 0.06
"""Largest thickness of a box's lines, relative to its longer side."""
LEAST_INSIDE = 0.3
"""Smallest size of a digit, relative to its box's longer side; otherwise the box is the digit."""


def without_frame(ink: Array) -> Array:
    """Return a piece of ink without the box around it, if there is one: (height, width) of bool."""
    from scipy.ndimage import binary_fill_holes, find_objects, label

    filled = binary_fill_holes(ink)
    if 2 * ink.sum() >= filled.sum() or not is_rectangle(filled):
        return ink
    lines = np.zeros_like(ink)
    for turns in range(4):
        line = _upper_line(np.rot90(ink, turns))
        if line is None:
            return ink
        lines |= np.rot90(line, -turns)
    pieces, _ = label(ink & ~lines, np.ones((3, 3)))
    sizes = [max(s.stop - s.start for s in box) for box in find_objects(pieces)]
    if max(sizes, default=0) < LEAST_INSIDE * max(ink.shape):
        return ink
    return np.asarray(pieces == 1 + int(np.argmax(sizes)))


def _upper_line(ink: Array) -> Array | None:
    """Return the uppermost ink of each column, with the depth of most columns; None if too deep."""
    rows = np.arange(len(ink))[:, None]
    first = ink.argmax(axis=0)
    end = np.where(~ink & (rows > first), rows, len(ink)).min(axis=0)
    deep = float(np.median(end - first))
    if deep > THIN * max(ink.shape):
        return None
    return np.asarray(ink & (rows < np.minimum(end, first + int(1.5 * deep) + 1)))
