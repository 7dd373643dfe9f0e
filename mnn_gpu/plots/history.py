"""Loss and accuracy during a training run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from mnn_gpu.errors import UsageError
from mnn_gpu.models.model import Model
from mnn_gpu.plots.figure import SMALL, NotebookFigure, new_figure, style_axis
from mnn_gpu.plots.predictions import recipe_of
from mnn_gpu.plots.theme import Theme, theme_named
from mnn_gpu.training.history import History
from mnn_gpu.training.learning_curve import CURVES, checked_columns, columns, x_axis

TICKS = (0.0, 0.5, 0.8, 0.9, 0.95, 0.98, 0.99, 0.995, 0.998, 0.999, 0.9999)
MORE_TICKS = (0.6, 0.7, 0.85, 0.93, 0.97, 0.985, 0.993, 0.997, 0.9985, 0.9995)
"""Possible tick labels of the accuracy axis; the second tuple is used if few of the first apply."""
FEW = 4
STRETCHED = 0.9
"""Accuracies above this are drawn on a logarithmic scale of 1 - accuracy."""
WIDE = 20
"""The loss axis is logarithmic if the ratio of largest to smallest loss is at least this."""
COLORS = ("orange", "blue")
"""Of the curves."""


def history(source: Model | History | Mapping[str, Any], *, theme: str = "light") -> NotebookFigure:
    """Draw loss and accuracy over the epochs, or iterations, of a training run.

    Parameters
    ----------
    source : Model, History or mapping
        A model stores its learning curve in ``info["history"]``, see
        `learning_curve.columns`; such columns may also be passed directly.
    theme : {"light", "dark"}

    Returns
    -------
    matplotlib.figure.Figure
        Loss on the first axis, accuracy on the second; each with a line for training and,
        if rows were held out, one for them.

    Raises
    ------
    UsageError
        If the model has no history, or the history has no record; if Matplotlib is missing
        or there is no such theme.
    """
    look = theme_named(theme)
    found = _columns(source)
    axis_name, x = x_axis(found)
    figure = new_figure(look, 3.3, _title(found), _note(source))
    loss, accuracy = figure.subplots(1, 2)
    for axis, name in ((loss, "loss"), (accuracy, "accuracy")):
        axis.set(xlabel=axis_name, title="cross-entropy, nats" if name == "loss" else name)
        axis.title.set_ha("left")
        axis.title.set_x(0)
        _draw_lines(axis, name, x, found, look)
        axis.xaxis.get_major_locator().set_params(integer=True)
        style_axis(axis, look, grid="y")
    if _wide([found[key] for key in ("loss", "validation_loss") if key in found]):
        loss.set_yscale("log")
        loss.yaxis.set_major_formatter("{x:g}")
        loss.yaxis.set_minor_formatter("")
    _scale_accuracy(accuracy, found)
    return figure


def _columns(source: Model | History | Mapping[str, Any]) -> dict[str, Any]:
    if isinstance(source, History):
        return checked_columns(columns(source.records, source.best))
    if not isinstance(source, Model):
        return checked_columns(source)
    if "history" not in source.info:
        raise UsageError(
            "This model has no training history: it was written by an earlier version, or "
            "without one.",
            "Train it again with this version, or draw the History that mnn_gpu.train returns.",
        )
    return checked_columns(source.info["history"])


def _title(found: Mapping[str, Any]) -> str:
    (name, x), place = x_axis(found), _best(found)
    last = len(x) - 1 if place is None else place
    over = f"after {x[last]:,} {name}{'s' if x[last] != 1 else ''}"
    parts = [f"{found['accuracy'][last]:.2%} in training"]
    if "validation_accuracy" in found:
        parts.append(f"{found['validation_accuracy'][last]:.2%} held out")
    best = "" if place is None else f" (best of {x[-1]:,})"
    return f"Accuracy {over}{best}: {', '.join(parts)}"


def _best(found: Mapping[str, Any]) -> int | None:
    """Return the index of early stopping's best record."""
    iterations, best = found.get("iteration", ()), found.get("best")
    return iterations.index(best) if best in iterations else None


def _note(source: Any) -> str:
    deformed = isinstance(source, Model) and recipe_of(source).get("augmentation")
    kind = "deformed images" if deformed else "batches"
    return f"Training values are computed on {kind} during training, before each update"


def _draw_lines(
    axis: Any, name: str, x: Sequence[float], found: Mapping[str, Any], theme: Theme
) -> None:
    marker = "o" if len(x) < 3 else ""
    for (label, prefix), color in zip(CURVES, COLORS, strict=True):
        values = found.get(prefix + name)
        if values is not None:
            shade = getattr(theme, color)
            axis.plot(x, values, color=shade, linewidth=1.8, marker=marker, label=label)
    best = _best(found)
    if best is not None:
        dashes = {"color": theme.muted, "linewidth": 1, "linestyle": (0, (3, 3))}
        axis.axvline(x[best], label="best", **dashes)
    axis.legend(frameon=False, fontsize=SMALL, labelcolor="linecolor", handlelength=1.4, loc="best")


def _wide(lines: Sequence[Sequence[float]]) -> bool:
    values = [value for line in lines for value in line]
    return min(values) > 0 and max(values) > WIDE * min(values)


def _scale_accuracy(axis: Any, found: Mapping[str, Any]) -> None:
    """Expand the scale near 1, where good models differ."""
    keys = ("accuracy", "validation_accuracy")
    values = np.array([value for key in keys for value in found.get(key, ())])
    if not values.max() > STRETCHED or values.min() == 1:
        axis.yaxis.set_major_formatter("{x:.0%}")
        return
    missing = 1 - values
    # An accuracy of 1 would be infinitely high; it is drawn at half the smallest error.
    least = missing[missing > 0].min(initial=1) / (2 if (missing <= 0).any() else 1)

    def forward(accuracy: npt.NDArray[Any]) -> npt.NDArray[Any]:
        height: npt.NDArray[Any] = -np.log10(np.maximum(1 - accuracy, least * 0.9))
        return height

    def backward(height: npt.NDArray[Any]) -> npt.NDArray[Any]:
        return 1 - 10.0 ** -np.asarray(height)

    axis.set_yscale("function", functions=(forward, backward))
    low = max(1 - missing.max() * 1.15, 0.0)
    axis.set_ylim(low, 1 - least * 0.9)
    shown = [tick for tick in TICKS if low <= tick <= 1 - least]
    if len(shown) < FEW:
        shown = sorted(shown + [tick for tick in MORE_TICKS if low <= tick <= 1 - least])
    axis.set_yticks(shown, [f"{tick * 100:g}%" for tick in shown])
    axis.minorticks_off()
