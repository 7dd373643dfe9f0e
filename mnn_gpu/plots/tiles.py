"""A grid of images with a line of text each, positioned directly: layout engines are slow."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy.typing as npt

from mnn_gpu.plots.figure import LEFT, SMALL, WIDTH, NotebookFigure, style_image_axis
from mnn_gpu.plots.theme import Theme

MOST = 400
COLUMNS = 8
ALL_IN_ONE_ROW = (9, 10)
LINE = 0.22
"""Inches between two rows of images, including a line of text."""
GAP = 0.12
"""Inches between two images in a row."""
TALLEST = 3.0
"""Largest ratio of height to width, and of width to height; other images are stretched."""
LETTERS = 12.0
"""Characters of text per inch of image; with more characters the font is smaller."""


class Tile(NamedTuple):
    """An image, (height, width), and the text above it: a normal and a paler part."""

    image: npt.NDArray[Any]
    words: str = ""
    more: str = ""


class Grid:
    """The positions of a grid of images.

    Parameters
    ----------
    shape : (height, width)
        Of an image, in pixels.
    count : int
        Number of images.
    columns : int, optional
        Default: 8, or all of them in one row if the second row would have only one or two.
    line : float
        Inches above each row.
    left : float
        Inches to the left of each row.
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

    def axis(self, figure: NotebookFigure, place: int, below: float = 0.0) -> Any:
        """Return the axis of an image, with ``below`` inches left free under the last row."""
        row, column = divmod(place, self.columns)
        across, up = figure.get_size_inches()
        x = self.left + column * (self.width + GAP)
        y = below + 0.08 + (self.rows - 1 - row) * (self.tall + self.line)
        return figure.add_axes((x / across, y / up, self.width / across, self.tall / up))


def draw_tiles(
    figure: NotebookFigure,
    grid: Grid,
    tiles: Sequence[Tile],
    theme: Theme,
    look: Mapping[str, Any],
    below: float = 0.0,
) -> Any:
    """Draw images in row order; return the Matplotlib image of the last one."""
    drawn = None
    for place, tile in enumerate(tiles):
        axis = grid.axis(figure, place, below)
        drawn = axis.imshow(tile.image, interpolation="nearest", aspect="auto", **look)
        style_image_axis(axis, theme)
        size = SMALL * min(1, grid.letters / max(len(tile.words + tile.more), 1))
        axis.set_title(tile.words, fontsize=size, color=theme.ink, pad=3, loc="left")
        axis.set_title(tile.more, fontsize=size, color=theme.muted, pad=3, loc="right")
    return drawn
