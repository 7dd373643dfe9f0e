"""Images beside their deformed copies, as a recipe trains on them."""

from __future__ import annotations

from typing import Any

import array_api_compat.numpy
import numpy as np
import numpy.typing as npt

from mnn_gpu.data.dataset import checked_labels
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
from mnn_gpu.plots.figure import PLAIN, Picture, bare, colours, picture
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
) -> Picture:
    """Draw an image of each class, and below it deformed copies of it.

    Parameters
    ----------
    how : Model or Augmentation
        Of a model: its recipe's augmentation, or, where it was trained without, that of the
        recipe ``accurate``.
    X : (rows, features), or (rows, height, width); see `predict_proba`
    y : (rows,), the labels
        Of more than ten classes, ten are drawn.
    copies : int
        How many of each, from 1 to 40.
    image_shape : (height, width), optional
        Default: the recipe's, else that of ``X``, else square.
    seed : int
        Another one gives other deformations.
    theme : {"light", "dark"}

    Returns
    -------
    matplotlib.figure.Figure
        Axes row by row: the originals, then their copies.

    Raises
    ------
    DataError
        If pixels or labels are not such.
    UsageError
        If the inputs are no images, Matplotlib is missing or an option cannot be meant.
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
    figure = picture(look, grid.height, title, _told(used), layout="none")
    _draw(figure, grid, sheet, look)
    return figure


def _augmentation_of(how: Model | Augmentation) -> tuple[Augmentation, str]:
    """Return what to deform by, and a title that says where it comes from."""
    if isinstance(how, Augmentation):
        return how, "Deformed, anew every time"
    found = recipe_of(how).get("augmentation")
    if found is None:
        used = ACCURATE.config.augmentation or Augmentation()
        return used, "Deformed as recipe accurate does; this model saw no deformed images"
    try:
        return Augmentation(**dict(found)), "Deformed as this model's recipe does, anew every time"
    except (TypeError, ValueError) as error:
        raise UsageError(
            f"The model's recipe has an augmentation that is none ({error}).",
            "Give a model that train wrote.",
        ) from error


def _told(used: Augmentation) -> str:
    return (
        f"rotation ±{used.rotation:g}°, shear ±{used.shear:g}°, size ±{used.scaling * 100:g}%, "
        f"shift ±{used.shift:g} pixels, elastic {used.alpha:g}"
    )


def one_of_each(labels: npt.NDArray[np.int64]) -> npt.NDArray[np.intp]:
    """Return a row of each class, of ten classes at most: the fourth one, if there are four."""
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
    """Return deformed copies of images, drawn as a training draws them.

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


def _draw(figure: Picture, grid: Grid, sheet: Images, theme: Theme) -> None:
    of_images = {"cmap": colours(*theme.image), "vmin": 0, "vmax": 1, "interpolation": "nearest"}
    for row, column in np.ndindex(sheet.shape[:2]):
        axis = grid.axis(figure, row * grid.columns + column)
        axis.imshow(sheet[row, column], aspect="auto", **of_images)
        bare(axis, theme, None if row else theme.blue)
        if column == 0 and row < 2:
            colour, words = (theme.muted, "deformed") if row else (theme.blue, "original")
            axis.set_ylabel(words, color=colour, fontsize=PLAIN)
