"""What the first layer's units look for."""

from __future__ import annotations

from typing import Any

import numpy as np

from mnn_gpu.models.model import Model
from mnn_gpu.plots.figure import SMALL, Picture, colours, picture
from mnn_gpu.plots.predictions import class_name, shape_of_images
from mnn_gpu.plots.theme import Theme, theme_named
from mnn_gpu.plots.tiles import MOST, Grid, Tile, draw_tiles
from mnn_gpu.utils.validation import whole

STRONGEST = 99.5
"""Percent of the weights that lie within the map's range; the few beyond are cut."""
BAR = 0.5
"""Inches for the bar that tells what the colours mean."""


def weights(
    model: Model,
    *,
    most: int = 40,
    image_shape: tuple[int, int] | None = None,
    theme: str = "light",
) -> Picture:
    """Draw rows of W[1] as images: what makes a unit of the first layer fire, and what not.

    Parameters
    ----------
    model : Model
    most : int
        How many to draw, from 1 to 400: those of the largest norm, the largest first.
        Without hidden layers the rows are the classes and stay in their order.
    image_shape : (height, width), optional
        Default: the recipe's, else square.
    theme : {"light", "dark"}

    Returns
    -------
    matplotlib.figure.Figure
        An axis a unit, row by row, titled with its number, counted from 0, and its norm;
        then that of the colours.

    Raises
    ------
    UsageError
        If the inputs are no images, Matplotlib is missing or an option cannot be meant.
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
    figure = picture(
        look,
        grid.height + BAR,
        f"First layer's weights{which}",
        f"Each {kind} with its number and norm: orange pixels excite it, blue ones hold it back",
        layout="none",
    )
    bound = float(np.percentile(np.abs(W[rows]), STRONGEST)) or 1.0
    diverging = colours(look.blue, look.background, look.orange)
    options = {"cmap": diverging, "vmin": -bound, "vmax": bound}
    last = draw_tiles(figure, grid, tiles, look, options, below=BAR)
    _draw_bar(figure, last, look)
    return figure


def _three_digits(number: float) -> str:
    return f"{number:#.3g}".rstrip(".")


def _draw_bar(figure: Picture, image: Any, theme: Theme) -> None:
    """Draw what the colours mean below the images."""
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
