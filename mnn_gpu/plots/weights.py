"""The weights of the first layer as images."""

from __future__ import annotations

from typing import Any

import numpy as np

from mnn_gpu.models.model import Model
from mnn_gpu.plots.figure import SMALL, NotebookFigure, colormap, new_figure
from mnn_gpu.plots.predictions import class_name, shape_of_images
from mnn_gpu.plots.theme import Theme, theme_named
from mnn_gpu.plots.tiles import MOST, Grid, Tile, draw_tiles
from mnn_gpu.utils.validation import whole

STRONGEST = 99.5
"""Percentage of the weights within the color range; the others are clipped."""
BAR = 0.5
"""Height in inches of the color bar."""


def weights(
    model: Model,
    *,
    most: int = 40,
    image_shape: tuple[int, int] | None = None,
    theme: str = "light",
) -> NotebookFigure:
    """Draw rows of W[1] as images: which pixels excite or inhibit a unit of the first layer.

    Parameters
    ----------
    model : Model
    most : int
        Maximum number of units to draw, from 1 to 400: those with the largest norm, in
        descending order. Without hidden layers the rows are the classes, in their order.
    image_shape : (height, width), optional
        Default: the recipe's, else square.
    theme : {"light", "dark"}

    Returns
    -------
    matplotlib.figure.Figure
        One axis per unit, in row order, titled with its index, counted from 0, and its norm;
        then that of the color bar.

    Raises
    ------
    UsageError
        If the inputs are not images, Matplotlib is missing or an option is not valid.
    """
    look = theme_named(theme)
    most = whole("most", most, 1, MOST)
    shape = shape_of_images(model.features, image_shape, model)
    W = model.layers[0][0].astype(np.float64)
    norms = np.linalg.norm(W, axis=1)
    of_classes = len(model.layer_sizes) == 2
    rows = (np.arange(len(W)) if of_classes else np.argsort(-norms, kind="stable"))[:most]
    names = model.classes if of_classes else np.arange(len(W))
    tiles = [Tile(W[i].reshape(shape), class_name(names[i]), _three_digits(norms[i])) for i in rows]
    kind = "class" if of_classes else "unit"
    which = "" if len(rows) == len(W) else f": the {len(rows)} of {len(W):,} with the largest norm"
    grid = Grid(shape, len(tiles))
    figure = new_figure(
        look,
        grid.height + BAR,
        f"First-layer weights{which}",
        f"Each {kind} with its index and norm: orange pixels excite it, blue ones inhibit it",
        layout="none",
    )
    bound = float(np.percentile(np.abs(W[rows]), STRONGEST)) or 1.0
    diverging = colormap(look.blue, look.background, look.orange)
    options = {"cmap": diverging, "vmin": -bound, "vmax": bound}
    last = draw_tiles(figure, grid, tiles, look, options, below=BAR)
    _draw_bar(figure, last, look)
    return figure


def _three_digits(number: float) -> str:
    return f"{number:#.3g}".rstrip(".")


def _draw_bar(figure: NotebookFigure, image: Any, theme: Theme) -> None:
    """Draw the color bar below the images."""
    _, up = figure.get_size_inches()
    axis = figure.add_axes((0.25, (BAR - 0.17) / up, 0.5, 0.1 / up))
    bar = figure.colorbar(image, cax=axis, orientation="horizontal", extend="both")
    bar.outline.set_visible(False)
    axis.tick_params(colors=theme.muted, labelsize=SMALL, length=2)
    figure.text(
        0.235,
        (BAR - 0.12) / up,
        "weight",
        color=theme.muted,
        fontsize=SMALL,
        ha="right",
        va="center",
    )
