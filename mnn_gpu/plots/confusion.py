"""The confusion matrix, with the pairs that are confused most."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from mnn_gpu.backends import Backend
from mnn_gpu.errors import UsageError
from mnn_gpu.models.model import Model
from mnn_gpu.plots.figure import PLAIN, SMALL, Picture, bare, colours, dress, is_light, picture
from mnn_gpu.plots.predictions import Answers, answers, class_name
from mnn_gpu.plots.theme import Theme, theme_named

WORST = 10
MOST_WRITTEN = 20
"""Beyond so many classes, cells have colours but no numbers."""
HEIGHT = 5.2
MOST_CLASSES = 2000
GAMMA = 0.7
"""Below 1, so that rare mistakes are seen beside one that is common."""
NOTE = "Blue is right; the stronger the orange, the larger the share of a class that is misread so"

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
) -> Picture:
    """Draw which class is taken for which, and the pairs that are confused most.

    Parameters
    ----------
    model : Model
    X : (rows, features), or (rows, height, width); see `predict_proba`
    y : (rows,), the labels
    backend : Backend, optional
        Default: `select_backend()`.
    shares : bool
        Whether to write shares of each class, in percent, instead of counts.
    theme : {"light", "dark"}
    source : str
        What to call the data.

    Returns
    -------
    matplotlib.figure.Figure
        The first axis is the matrix, one row a truth and one column an answer; the second
        the worst pairs, and how many more there are.

    Raises
    ------
    DataError
        If pixels or labels are not such, or a label is none of the model's.
    UsageError
        If Matplotlib is missing, there is no such theme, or there are more than 2,000 classes.
    """
    look = theme_named(theme)
    _check_classes(len(model.classes))
    found = answers(model, X, y, backend, source)
    counts = confusion_counts(found, len(model.classes))
    figure = picture(look, HEIGHT, f"{source}: {found.score}", NOTE)
    matrix, worst = figure.subplots(1, 2, width_ratios=[3.2, 1])
    _draw_matrix(matrix, counts, model.classes, shares, look)
    _draw_worst(worst, counts, model.classes, look)
    return figure


def _check_classes(classes: int) -> None:
    if classes > MOST_CLASSES:
        raise UsageError(
            f"A matrix of {classes:,} classes has more cells than a picture can show.",
            f"Up to {MOST_CLASSES:,} can be drawn.",
        )


def confusion_counts(found: Answers, classes: int) -> Counts:
    """Return how often each truth (row) got each answer (column), (classes, classes)."""
    pairs = found.truth.astype(np.int64) * classes + found.said
    return np.bincount(pairs, minlength=classes * classes).reshape(classes, classes)


def worst_pairs(counts: Counts, most: int = WORST) -> list[tuple[int, int, int]]:
    """Return truth, answer and count of the commonest mistakes, the worst first."""
    off = counts * ~np.eye(len(counts), dtype=bool)
    order = np.argsort(-off, axis=None, kind="stable")[:most]
    cells = (divmod(int(cell), len(counts)) for cell in order)
    return [(i, j, int(off[i, j])) for i, j in cells if off[i, j]]


def _shares(counts: Counts) -> npt.NDArray[Any]:
    """Return each cell's share of its row; 0 where a class has no row."""
    part: npt.NDArray[Any] = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    return part


def _draw_matrix(
    axis: Any, counts: Counts, classes: npt.NDArray[Any], shares: bool, theme: Theme
) -> None:
    """Colour mistakes by their share of the class, and right answers evenly."""
    n, part = len(counts), _shares(counts)
    off = np.where(np.eye(n, dtype=bool), 0, part)
    mistakes = colours(theme.cell, theme.orange)
    image = mistakes((off / (off.max() or 1)) ** GAMMA)
    right = colours(theme.cell, theme.blue)(0.3)
    image[np.eye(n, dtype=bool)] = right
    axis.imshow(image, interpolation="nearest")
    if n <= MOST_WRITTEN:
        size = min(PLAIN, 100 / n)
        for (i, j), count in np.ndenumerate(counts):
            if count:
                text = f"{part[i, j] * 100:.3g}" if shares else f"{count}"
                ink = "#000000" if is_light(image[i, j]) else "#ffffff"
                axis.text(j, i, text, ha="center", va="center", color=ink, fontsize=size)
    dress(axis, theme)
    bare(axis, theme)
    step = -(-n // MOST_WRITTEN)
    places = range(0, n, step)
    names = [class_name(label) for label in classes[::step]]
    axis.set_xticks(places, names, rotation=90 if max(map(len, names)) > 2 else 0)
    axis.set_yticks(places, names)
    axis.tick_params(length=0)
    axis.set_xlabel("answer", color=theme.ink)
    axis.set_ylabel("truth" + (", % of each" if shares else ""), color=theme.ink)


def _draw_worst(axis: Any, counts: Counts, classes: npt.NDArray[Any], theme: Theme) -> None:
    pairs = worst_pairs(counts)
    dress(axis, theme)
    axis.set_title("truth → answer", loc="left", color=theme.ink, fontsize=PLAIN)
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
