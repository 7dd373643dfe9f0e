"""The images that a model misclassifies."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from mnn_gpu.backends import Backend
from mnn_gpu.models.checks import checked_images
from mnn_gpu.models.model import Model
from mnn_gpu.nn import network
from mnn_gpu.plots.figure import NotebookFigure, colormap, new_figure
from mnn_gpu.plots.predictions import class_name, compute_predictions, shape_of_images
from mnn_gpu.plots.theme import theme_named
from mnn_gpu.plots.tiles import MOST, Grid, Tile, draw_tiles
from mnn_gpu.utils.validation import whole

EXAMPLE = "true class → prediction and its probability"


def mistakes(
    model: Model,
    X: npt.ArrayLike,
    y: npt.ArrayLike,
    *,
    most: int = 40,
    image_shape: tuple[int, int] | None = None,
    backend: Backend | None = None,
    theme: str = "light",
    source: str = "the data",
) -> NotebookFigure:
    """Draw the images that a model misclassifies, the most confident predictions first.

    Parameters
    ----------
    model, X, y, backend
        As for `mnn_gpu.evaluate`; X is an array or a data frame, and y is needed.
    most : int
        Maximum number of images to draw, from 1 to 400.
    image_shape : (height, width), optional
        Default: the recipe's, else that of ``X``, else square.
    theme : {"light", "dark"}
    source : str
        The name of the data in the title.

    Returns
    -------
    matplotlib.figure.Figure
        One axis per image, in row order, titled with true class, prediction and probability;
        none if all predictions are correct.

    Raises
    ------
    DataError
        If pixels or labels are not valid, or a label is not one of the model's classes.
    UsageError
        If the inputs are not images, Matplotlib is missing or an option is not valid.
    """
    look = theme_named(theme)
    most = whole("most", most, 1, MOST)
    shape = shape_of_images(model.features, image_shape, model, X)
    found = compute_predictions(model, X, y, backend, source)
    rows = found.wrong[:most]
    images = checked_images(model, X, source)[rows]
    pixels = network.scale_pixels(images, np.dtype(np.float32))
    names = [class_name(label) for label in model.classes]
    tiles = [
        Tile(
            image.reshape(shape),
            f"{names[found.truth[row]]} → {names[found.predicted[row]]}",
            _sure(float(found.confidence[row])),
        )
        for image, row in zip(pixels, rows, strict=True)
    ]
    note = _note(len(rows), len(found.wrong))
    grid = Grid(shape, len(tiles))
    figure = new_figure(look, grid.height, f"{source}: {found.score}", note, layout="none")
    draw_tiles(figure, grid, tiles, look, {"cmap": colormap(*look.image), "vmin": 0, "vmax": 1})
    return figure


def _sure(probability: float) -> str:
    return ">99%" if probability > 0.99 else f"{probability:.0%}"


def _note(drawn: int, wrong: int) -> str:
    if not wrong:
        return "All predictions are correct."
    which = "All of them" if drawn == wrong else f"The {drawn} with the highest confidence"
    return f"{which}: {EXAMPLE}"
