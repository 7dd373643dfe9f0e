"""The confusion matrix, with the most confused pairs of classes."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from mnn_gpu.backends import Backend
from mnn_gpu.errors import UsageError
from mnn_gpu.models.model import Model
from mnn_gpu.plots.figure import (
    PLAIN,
    SMALL,
    NotebookFigure,
    colormap,
    is_light,
    new_figure,
    style_axis,
    style_image_axis,
)
from mnn_gpu.plots.predictions import Predictions, class_name, compute_predictions
from mnn_gpu.plots.theme import Theme, theme_named

WORST = 10
MOST_WRITTEN = 20
"""Number of classes above which cells have colors but no numbers."""
HEIGHT = 5.2
MOST_CLASSES = 2000
GAMMA = 0.7
"""An exponent below 1, which makes rare mistakes visible next to a common one."""
NOTE = "Blue: correct predictions. Orange: errors, stronger for a larger fraction of the class"

Counts = npt.NDArray[np.int64]


def confusion(
    model: Model,
    X: npt.ArrayLike,
    y: npt.ArrayLike,
    *,
    backend: Backend | None = None,
    shares: bool = False,
    theme: str = "light",
    source: str = "the data",
) -> NotebookFigure:
    """Draw the confusion matrix, and the most confused pairs of classes.

    Parameters
    ----------
    model, X, y, backend
        As for `mnn_gpu.evaluate`; X is an array or a data frame, and y is needed.
    shares : bool
        Whether to show percentages of each class instead of counts.
    theme : {"light", "dark"}
    source : str
        The name of the data in the title.

    Returns
    -------
    matplotlib.figure.Figure
        The first axis is the matrix, with a row per true class and a column per predicted
        class; the second shows the worst pairs, and the number of further ones.

    Raises
    ------
    DataError
        If pixels or labels are not valid, or a label is not one of the model's classes.
    UsageError
        If Matplotlib is missing, there is no such theme, or there are more than 2,000 classes.
    """
    look = theme_named(theme)
    _check_classes(len(model.classes))
    found = compute_predictions(model, X, y, backend, source)
    counts = confusion_counts(found, len(model.classes))
    figure = new_figure(look, HEIGHT, f"{source}: {found.score}", NOTE)
    matrix, worst = figure.subplots(1, 2, width_ratios=[3.2, 1])
    _draw_matrix(matrix, counts, model.classes, shares, look)
    _draw_worst(worst, counts, model.classes, look)
    return figure


def _check_classes(classes: int) -> None:
    if classes > MOST_CLASSES:
        raise UsageError(
            f"A matrix of {classes:,} classes has more cells than a figure can show.",
            f"Up to {MOST_CLASSES:,} classes can be drawn.",
        )


def confusion_counts(found: Predictions, classes: int) -> Counts:
    """Return the counts of true class (row) and predicted class (column), (classes, classes)."""
    pairs = found.truth.astype(np.int64) * classes + found.predicted
    return np.bincount(pairs, minlength=classes * classes).reshape(classes, classes)


def worst_pairs(counts: Counts, most: int = WORST) -> list[tuple[int, int, int]]:
    """Return true class, predicted class and count of the most common mistakes, worst first."""
    off = counts * ~np.eye(len(counts), dtype=bool)
    order = np.argsort(-off, axis=None, kind="stable")[:most]
    cells = (divmod(int(cell), len(counts)) for cell in order)
    return [(i, j, int(off[i, j])) for i, j in cells if off[i, j]]


def _shares(counts: Counts) -> npt.NDArray[Any]:
    """Return each cell's fraction of its row; 0 for a class without rows."""
    part: npt.NDArray[Any] = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    return part


def _draw_matrix(
    axis: Any, counts: Counts, classes: npt.NDArray[Any], shares: bool, theme: Theme
) -> None:
    """Color mistakes by their fraction of the class, and correct predictions uniformly."""
    n, part = len(counts), _shares(counts)
    off = np.where(np.eye(n, dtype=bool), 0, part)
    mistakes = colormap(theme.cell, theme.orange)
    image = mistakes((off / (off.max() or 1)) ** GAMMA)
    right = colormap(theme.cell, theme.blue)(0.3)
    image[np.eye(n, dtype=bool)] = right
    axis.imshow(image, interpolation="nearest")
    if n <= MOST_WRITTEN:
        size = min(PLAIN, 100 / n)
        for (i, j), count in np.ndenumerate(counts):
            if count:
                text = f"{part[i, j] * 100:.3g}" if shares else f"{count}"
                ink = "#000000" if is_light(image[i, j]) else "#ffffff"
                axis.text(j, i, text, ha="center", va="center", color=ink, fontsize=size)
    style_axis(axis, theme)
    style_image_axis(axis, theme)
    step = -(-n // MOST_WRITTEN)
    places = range(0, n, step)
    names = [class_name(label) for label in classes[::step]]
    axis.set_xticks(places, names, rotation=90 if max(map(len, names)) > 2 else 0)
    axis.set_yticks(places, names)
    axis.tick_params(length=0)
    axis.set_xlabel("predicted class", color=theme.ink)
    axis.set_ylabel("true class" + (", % of each" if shares else ""), color=theme.ink)


def _draw_worst(axis: Any, counts: Counts, classes: npt.NDArray[Any], theme: Theme) -> None:
    pairs = worst_pairs(counts)
    style_axis(axis, theme)
    axis.set_title("true class → prediction", loc="left", color=theme.ink, fontsize=PLAIN)
    axis.spines[["left", "bottom"]].set_visible(False)
    axis.set_xticks([])
    axis.set_ylim(WORST - 0.1, -0.6)
    names = [f"{class_name(classes[i])} → {class_name(classes[j])}" for i, j, _ in pairs]
    axis.set_yticks(range(len(pairs)), names, color=theme.ink)
    axis.tick_params(length=0)
    bars = axis.barh(range(len(pairs)), [count for *_, count in pairs], 0.6, color=theme.orange)
    axis.bar_label(bars, padding=3, color=theme.ink, fontsize=SMALL)
    axis.margins(x=0.2)
    more = np.count_nonzero(counts) - np.count_nonzero(counts.diagonal()) - len(pairs)
    last = f"and {more:,} more" if more else "" if pairs else "none"
    axis.text(0, len(pairs), last, color=theme.muted, fontsize=PLAIN, va="center")
