"""Images side by side, each with a line of words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy.typing as npt

from mnn_gpu.plots.picture import SMALL, WIDTH, Picture, bare
from mnn_gpu.plots.theme import Theme

MOST = 400
COLUMNS = 8
LINE = 0.17
"""Inches."""


class Tile(NamedTuple):
    """An image, (height, width), and what is written above it: in ink, and paler."""

    image: npt.NDArray[Any]
    words: str
    more: str = ""


def height_of(tiles: Sequence[Tile], columns: int = COLUMNS) -> float:
    """Return the height in inches that the tiles take."""
    if not tiles:
        return 0.2
    rows = -(-len(tiles) // columns)
    height, width = tiles[0].image.shape
    tall = min(height / width, 3.0)
    return rows * (WIDTH / columns * 0.86 * tall + 1.5 * LINE)


def draw_tiles(
    figure: Picture,
    tiles: Sequence[Tile],
    theme: Theme,
    look: Mapping[str, Any],
    columns: int = COLUMNS,
) -> list[Any]:
    """Draw images row by row; return what Matplotlib made of them."""
    rows = -(-len(tiles) // columns)
    drawn = []
    for place, tile in enumerate(tiles, start=1):
        axis = figure.add_subplot(rows, columns, place)
        drawn.append(axis.imshow(tile.image, interpolation="nearest", **look))
        bare(axis, theme)
        axis.set_title(tile.words, fontsize=SMALL, color=theme.ink, pad=3, loc="left")
        if tile.more:
            axis.set_title(tile.more, fontsize=SMALL, color=theme.muted, pad=3, loc="right")
    return drawn
