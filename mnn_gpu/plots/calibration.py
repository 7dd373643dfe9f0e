"""Whether a model's confidence matches its accuracy: the reliability diagram.

References
----------
Guo, Pleiss, Sun, Weinberger: On Calibration of Modern Neural Networks, ICML 2017.
Wilson: Probable Inference, the Law of Succession, and Statistical Inference, JASA 1927.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from mnn_gpu.backends import Backend
from mnn_gpu.models.model import Model
from mnn_gpu.plots.figure import SMALL, NotebookFigure, new_figure, style_axis
from mnn_gpu.plots.predictions import Predictions, compute_predictions
from mnn_gpu.plots.theme import Theme, theme_named
from mnn_gpu.utils.validation import whole

BINS = 15
Z95 = 1.96
Floats = npt.NDArray[np.float64]


class Bins(NamedTuple):
    """Predictions grouped by confidence, in equal intervals from 0 to 1.

    Attributes
    ----------
    edges : (bins + 1,)
    counts : (bins,), int64
    confidence, accuracy : (bins,)
        Means; NaN for empty bins.
    """

    edges: Floats
    counts: npt.NDArray[np.int64]
    confidence: Floats
    accuracy: Floats

    @property
    def expected_error(self) -> float:
        """The expected calibration error: the mean of |accuracy - confidence| over predictions."""
        gaps = np.abs(self.accuracy - self.confidence)
        return float(np.nansum(self.counts * gaps) / self.counts.sum())


def calibration(
    model: Model,
    X: npt.ArrayLike,
    y: npt.ArrayLike,
    *,
    backend: Backend | None = None,
    bins: int = BINS,
    theme: str = "light",
    source: str = "the data",
) -> NotebookFigure:
    """Draw the accuracy of a model over its confidence.

    Parameters
    ----------
    model, X, y, backend
        As for `mnn_gpu.evaluate`; X is an array or a data frame, and y is needed.
    bins : int
        Number of equal intervals of confidence.
    theme : {"light", "dark"}
    source : str
        The name of the data in the title.

    Returns
    -------
    matplotlib.figure.Figure
        The first axis has accuracies with their 95% intervals, the second counts on a
        logarithmic scale.

    Raises
    ------
    DataError
        If pixels or labels are not valid, or a label is not one of the model's classes.
    UsageError
        If Matplotlib is missing or an option is not valid.
    """
    look = theme_named(theme)
    bins = whole("bins", bins, 1, 1000)
    found = compute_predictions(model, X, y, backend, source)
    binned = calibration_bins(found, bins)
    confidence = found.confidence.astype(np.float64).mean()
    right = (found.truth == found.predicted).mean()
    title = f"{source}: expected calibration error {binned.expected_error:.2%}"
    note = f"Mean confidence {confidence:.2%}, accuracy {right:.2%}"
    figure = new_figure(look, 5.4, title, note)
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=[3, 1])
    _draw_reliability(upper, binned, look)
    _draw_counts(lower, binned, look)
    return figure


def calibration_bins(found: Predictions, bins: int = BINS) -> Bins:
    """Group predictions by confidence; a bin includes its upper edge, not its lower."""
    edges = np.linspace(0, 1, bins + 1)
    confidence = found.confidence.astype(np.float64)
    place = np.clip(np.searchsorted(edges, confidence, side="left") - 1, 0, bins - 1)
    counts = np.bincount(place, minlength=bins)
    with np.errstate(invalid="ignore"):
        mean = np.bincount(place, confidence, bins) / counts
        accuracy = np.bincount(place, found.truth == found.predicted, bins) / counts
    return Bins(edges, counts, mean, accuracy)


def wilson(share: Any, rows: Any) -> tuple[Any, Any]:
    """Return Wilson's 95% confidence interval of a fraction observed in ``rows`` rows."""
    middle = share + Z95**2 / (2 * rows)
    half = Z95 * np.sqrt(share * (1 - share) / rows + Z95**2 / (4 * rows**2))
    scale = 1 + Z95**2 / rows
    return (middle - half) / scale, (middle + half) / scale


def _draw_reliability(axis: Any, binned: Bins, theme: Theme) -> None:
    some = binned.counts > 0
    confidence, accuracy, rows = (
        values[some] for values in (binned.confidence, binned.accuracy, binned.counts)
    )
    low, high = wilson(accuracy, rows)
    sure = {"color": theme.muted, "linestyle": (0, (4, 3)), "linewidth": 1.2}
    axis.plot([0, 1], [0, 1], label="accuracy equal to confidence", **sure)
    gap = {"color": theme.orange, "linewidth": 5, "alpha": 0.45}
    axis.vlines(confidence, accuracy, confidence, label="gap to confidence", **gap)
    axis.errorbar(
        confidence,
        accuracy,
        [np.maximum(accuracy - low, 0), np.maximum(high - accuracy, 0)],
        color=theme.blue,
        marker="o",
        markersize=6,
        linewidth=1.4,
        capsize=3,
        linestyle="none",
        label="accuracy, 95% interval",
    )
    axis.set(ylabel="fraction correct", ylim=(-0.03, 1.04), xlim=(0, 1.01))
    style_axis(axis, theme, grid="both")
    axis.yaxis.set_major_formatter("{x:.0%}")
    axis.legend(frameon=False, fontsize=SMALL, labelcolor=theme.ink, loc="upper left")


def _draw_counts(axis: Any, binned: Bins, theme: Theme) -> None:
    width = np.diff(binned.edges)
    bars = axis.bar(
        binned.edges[:-1], binned.counts, width * 0.92, align="edge", color=theme.blue, alpha=0.8
    )
    axis.bar_label(
        bars,
        [f"{count:,}" if count else "" for count in binned.counts],
        color=theme.muted,
        fontsize=SMALL,
        padding=2,
    )
    axis.set(xlabel="confidence: probability of the prediction", ylabel="images, log scale")
    axis.set_yscale("log")
    axis.set_ylim(0.5, binned.counts.max() * 6)
    axis.set_yticks([])
    axis.minorticks_off()
    axis.spines["left"].set_visible(False)
    style_axis(axis, theme)
    axis.xaxis.set_major_formatter("{x:.0%}")
