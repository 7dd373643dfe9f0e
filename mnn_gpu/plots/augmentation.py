"""Images with deformed copies, as used in training with a recipe."""

from __future__ import annotations

from typing import Any

import array_api_compat.numpy
import numpy as np
import numpy.typing as npt

from mnn_gpu.data.labels import checked_labels
from mnn_gpu.data.pixels import checked_pixels, found_scale, unit_pixels
from mnn_gpu.errors import UsageError
from mnn_gpu.models.model import Model
from mnn_gpu.nn import network
from mnn_gpu.nn.augmentation import (
    AFFINE_FIELDS,
    UNIFORMS,
    Augmentation,
    deform,
    deformation_basis,
    displacements,
)
from mnn_gpu.plots.figure import PLAIN, NotebookFigure, colormap, new_figure, style_image_axis
from mnn_gpu.plots.predictions import recipe_of, shape_of_images
from mnn_gpu.plots.theme import Theme, theme_named
from mnn_gpu.plots.tiles import GAP, Grid
from mnn_gpu.training.recipes import ACCURATE
from mnn_gpu.utils.random_streams import AFFINE, ELASTIC, generator
from mnn_gpu.utils.validation import whole

MOST_CLASSES = 10
MOST_COPIES = 40
FEWEST_COLUMNS = 6
Images = npt.NDArray[Any]


def augmentation(
    how: Model | Augmentation,
    X: npt.ArrayLike,
    y: npt.ArrayLike,
    *,
    copies: int = 6,
    image_shape: tuple[int, int] | None = None,
    seed: int = 0,
    theme: str = "light",
) -> NotebookFigure:
    """Draw one image of each class, and deformed copies below it.

    Parameters
    ----------
    how : Model or Augmentation
        For a model: its recipe's augmentation or, if it was trained without one, that of the
        recipe ``accurate``.
    X : (rows, features), or (rows, height, width); see `predict_proba`
    y : (rows,), the labels
        If there are more than ten classes, ten are drawn.
    copies : int
        Number of copies of each image, from 1 to 40.
    image_shape : (height, width), optional
        Default: the recipe's, else that of ``X``, else square.
    seed : int
        Seed of the random deformations.
    theme : {"light", "dark"}

    Returns
    -------
    matplotlib.figure.Figure
        The axes are in row order: the originals, then their copies.

    Raises
    ------
    DataError
        If pixels or labels are not valid.
    UsageError
        If the inputs are not images, Matplotlib is missing or an option is not valid.
    """
    look = theme_named(theme)
    copies, seed = whole("copies", copies, 1, MOST_COPIES), whole("seed", seed, 0)
    used, title = _augmentation_of(how)
    pixels = checked_pixels(X, "X")
    pixels = unit_pixels(pixels, found_scale([pixels], None))
    model = how if isinstance(how, Model) else None
    shape = shape_of_images(pixels.shape[1], image_shape, model, X)
    if min(shape) < 2:
        raise UsageError(
            f"Images of {shape[0]} x {shape[1]} cannot be deformed.", "Give 2 x 2 pixels or more."
        )
    labels = checked_labels(y, len(pixels), "y")
    rows = one_of_each(labels)
    originals = network.scale_pixels(pixels[rows], np.dtype(np.float64))
    changed = deformed(originals, labels[rows], used, shape, copies, seed)
    sheet = np.concatenate([originals[None], changed]).reshape(copies + 1, -1, *shape)
    columns = max(len(rows), FEWEST_COLUMNS)
    grid = Grid(shape, len(sheet) * columns, columns, GAP, left=0.25)
    figure = new_figure(look, grid.height, title, _settings(used), layout="none")
    _draw(figure, grid, sheet, look)
    return figure


def _augmentation_of(how: Model | Augmentation) -> tuple[Augmentation, str]:
    """Return the augmentation to use, and a title that states its origin."""
    if isinstance(how, Augmentation):
        return how, "Random deformations"
    found = recipe_of(how).get("augmentation")
    if found is None:
        used = ACCURATE.config.augmentation or Augmentation()
        return used, "Deformations of the recipe accurate; this model was trained without any"
    try:
        return Augmentation(**dict(found)), "Random deformations of this model's recipe"
    except (TypeError, ValueError) as error:
        raise UsageError(
            f"The model's recipe contains an invalid augmentation ({error}).",
            "Give a model written by train.",
        ) from error


def _settings(used: Augmentation) -> str:
    return (
        f"rotation ±{used.rotation:g}°, shear ±{used.shear:g}°, size ±{used.scaling * 100:g}%, "
        f"shift ±{used.shift:g} pixels, elastic {used.alpha:g}"
    )


def one_of_each(labels: npt.NDArray[np.int64]) -> npt.NDArray[np.intp]:
    """Return one row of each class, for up to ten classes: the fourth one, if there are four."""
    classes = np.unique(labels)
    some = classes[np.linspace(0, len(classes) - 1, min(len(classes), MOST_CLASSES)).astype(int)]
    rows = [np.flatnonzero(labels == label)[:4][-1] for label in some]
    return np.array(rows)


def deformed(
    images: Images,
    labels: npt.NDArray[np.int64],
    how: Augmentation,
    shape: tuple[int, int],
    copies: int,
    seed: int = 0,
) -> Images:
    """Return deformed copies of images, drawn at random as in training.

    Parameters
    ----------
    images : (m, features), floating, 0 to 1
    labels : (m,)

    Returns
    -------
    (copies, m, features), the dtype of ``images``
    """
    basis = deformation_basis(how, shape, array_api_compat.numpy).astype(images.dtype)
    m = copies * len(images)
    uniforms = generator(AFFINE, seed).uniform(-1, 1, (m, UNIFORMS))
    normals = generator(ELASTIC, seed).standard_normal((m, 2, len(basis) - AFFINE_FIELDS))
    turn = np.tile(np.where(np.isin(labels, how.half_turned), 0.5, 1.0), copies)
    drawn = displacements(uniforms, normals, how, shape, turn).astype(images.dtype)
    changed: Images = deform(np.tile(images, (copies, 1)), drawn, basis, shape)
    return changed.reshape(copies, *images.shape)


def _draw(figure: NotebookFigure, grid: Grid, sheet: Images, theme: Theme) -> None:
    of_images = {"cmap": colormap(*theme.image), "vmin": 0, "vmax": 1, "interpolation": "nearest"}
    for row, column in np.ndindex(sheet.shape[:2]):
        axis = grid.axis(figure, row * grid.columns + column)
        axis.imshow(sheet[row, column], aspect="auto", **of_images)
        style_image_axis(axis, theme, None if row else theme.blue)
        if column == 0 and row < 2:
            color, words = (theme.muted, "deformed") if row else (theme.blue, "original")
            axis.set_ylabel(words, color=color, fontsize=PLAIN)
