"""Images side by side, each with a line of words; placed by hand, as layouts are slow at it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy.typing as npt

from mnn_gpu.plots.figure import LEFT, SMALL, WIDTH, Picture, bare
from mnn_gpu.plots.theme import Theme

MOST = 400
COLUMNS = 8
ALL_IN_ONE_ROW = (9, 10)
LINE = 0.22
"""Inches between two rows of images, a line of words included."""
GAP = 0.12
"""Inches between two images of a row."""
TALLEST = 3.0
"""Times its width; images that are higher, or as much wider, are stretched to fit."""
LETTERS = 12.0
"""An inch of an image; where more are to stand above it, they are smaller."""


class Tile(NamedTuple):
    """An image, (height, width), and what is written above it: in ink, and paler."""

    image: npt.NDArray[Any]
    words: str = ""
    more: str = ""


class Grid:
    """Where the images of a sheet lie.

    Parameters
    ----------
    shape : (height, width)
        Of an image, in pixels.
    count : int
        How many images.
    columns : int, optional
        Default: 8, or as many as there are if that leaves no second row of one or two.
    line : float
        Inches above each row.
    left : float
        Inches before each row.
    """

    def __init__(
        self,
        shape: tuple[int, int],
        count: int,
        columns: int | None = None,
        line: float = LINE,
        left: float = 0.0,
    ) -> None:
        columns = columns or (count if count in ALL_IN_ONE_ROW else COLUMNS)
        self.columns, self.line = columns, line
        self.rows = -(-count // columns)
        self.left = WIDTH * LEFT + left
        free = WIDTH * (1 - LEFT) - self.left
        self.width = (free + GAP) / columns - GAP
        ratio = shape[0] / shape[1]
        self.tall = self.width * min(max(ratio, 1 / TALLEST), TALLEST)
        self.letters = LETTERS * self.width
        self.height = self.rows * (self.tall + line) + 0.08

    def axis(self, figure: Picture, place: int, below: float = 0.0) -> Any:
        """Return the axis of an image; ``below`` inches are free under the last row."""
        row, column = divmod(place, self.columns)
        across, up = figure.get_size_inches()
        x = self.left + column * (self.width + GAP)
        y = below + 0.08 + (self.rows - 1 - row) * (self.tall + self.line)
        return figure.add_axes((x / across, y / up, self.width / across, self.tall / up))


def draw_tiles(
    figure: Picture,
    grid: Grid,
    tiles: Sequence[Tile],
    theme: Theme,
    look: Mapping[str, Any],
    below: float = 0.0,
) -> Any:
    """Draw images row by row; return what Matplotlib made of the last."""
    drawn = None
    for place, tile in enumerate(tiles):
        axis = grid.axis(figure, place, below)
        drawn = axis.imshow(tile.image, interpolation="nearest", aspect="auto", **look)
        bare(axis, theme)
        size = SMALL * min(1, grid.letters / max(len(tile.words + tile.more), 1))
        axis.set_title(tile.words, fontsize=size, color=theme.ink, pad=3, loc="left")
        axis.set_title(tile.more, fontsize=size, color=theme.muted, pad=3, loc="right")
    return drawn
