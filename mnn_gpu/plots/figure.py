"""Figures that display themselves in a notebook, and their common style."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib.colors import Colormap, LinearSegmentedColormap
from matplotlib.figure import Figure
from PIL import Image

from mnn_gpu.errors import UsageError
from mnn_gpu.plots.theme import Theme
from mnn_gpu.storage.atomic_write import check_writable, write_atomically

WIDTH = 8.0
"""Inches: 1600 dots wide, for a page that shows 800."""
LEFT = 0.012
"""Left edge of text, as a fraction of the width."""
DPI = 200
SMALL, PLAIN, LARGE = 8.5, 10.0, 12.0
"""Font sizes in points."""
SEEN, SEEN_SHARE = 8, 1e-3
"""Allowed color errors of 256-color PNGs, of 255, and the fraction of dots (the edges of letters)
that may exceed them."""
ENDINGS = (".png", ".svg", ".pdf")


class NotebookFigure(Figure):  # type: ignore[misc]
    """A Matplotlib figure without pyplot that a notebook displays."""

    def _repr_png_(self) -> tuple[bytes, dict[str, int]]:
        width, height = (int(inches * DPI / 2) for inches in self.get_size_inches())
        return _bytes(self, "png"), {"width": width, "height": height}


def new_figure(
    theme: Theme, height: float, title: str, note: str = "", layout: str = "constrained"
) -> NotebookFigure:
    """Return an empty figure with its heading; ``height`` in inches without the heading."""
    whole = height + heading_height(note)
    figure = NotebookFigure(
        figsize=(WIDTH, whole), dpi=DPI, layout=layout, facecolor=theme.background
    )
    if layout == "constrained":
        free = (0.005, 0.01, 0.99, height / whole - 0.01)
        figure.get_layout_engine().set(rect=free, w_pad=0.06, h_pad=0.06)
    words = {"va": "top", "ha": "left"}
    bold = {"color": theme.ink, "fontsize": _fitting(LARGE, title, 80), "fontweight": "bold"}
    figure.text(LEFT, 1 - 0.1 / whole, title, **words, **bold)
    if note:
        plain = {"color": theme.muted, "fontsize": _fitting(PLAIN, note, 100)}
        figure.text(LEFT, 1 - 0.36 / whole, note, **words, **plain)
    return figure


def _fitting(size: float, text: str, letters: int) -> float:
    """Return a font size at which a text fits; it may be long if it contains a path."""
    return size * min(1, letters / len(text))


def heading_height(note: str) -> float:
    """Return the height in inches of a heading with the given note."""
    return 0.6 if note else 0.36


def style_axis(axis: Any, theme: Theme, *, grid: str = "") -> None:
    """Set the colors of an axis; ``grid`` is "", "x", "y" or "both"."""
    axis.set_facecolor(theme.background)
    axis.spines[["top", "right"]].set_visible(False)
    for side in axis.spines.values():
        side.set_color(theme.faint)
    axis.tick_params(colors=theme.faint, labelcolor=theme.muted, labelsize=SMALL, which="both")
    for words in (axis.xaxis.label, axis.yaxis.label, axis.title):
        words.set(color=theme.ink, fontsize=PLAIN)
    if grid:
        axis.grid(axis=grid, color=theme.faint, alpha=0.5, linewidth=0.7)
        axis.set_axisbelow(True)


def style_image_axis(axis: Any, theme: Theme, edge: str | None = None) -> None:
    """Remove everything but a thin frame from an axis that shows an image."""
    axis.set(xticks=[], yticks=[])
    for side in axis.spines.values():
        side.set(color=edge or theme.faint, linewidth=1.4 if edge else 0.6)


def colormap(*stops: str) -> Colormap:
    """Return a colormap that interpolates between some colors."""
    return LinearSegmentedColormap.from_list("between", stops)


def is_light(color: Sequence[float]) -> bool:
    """Return whether black is more legible than white on a color, RGB from 0 to 1."""
    red, green, blue = color[:3]
    return 0.299 * red + 0.587 * green + 0.114 * blue > 0.55


def check_plot_file(path: str | Path) -> None:
    """Check that a plot can be written to a path, before a computation.

    Raises
    ------
    UsageError
        If its ending is not .png, .svg or .pdf.
    OutputError
    """
    if Path(path).suffix.lower() not in ENDINGS:
        raise UsageError(
            f"{path} does not have the ending of a plot.", f"Give a name in {', '.join(ENDINGS)}."
        )
    check_writable(path)


def save(path: str | Path, figure: Figure) -> None:
    """Write a figure atomically; equal figures give equal files.

    Parameters
    ----------
    path : path
        The ending, .png, .svg or .pdf, determines the format.
    figure : matplotlib.figure.Figure

    Raises
    ------
    UsageError, OutputError
        See `check_plot_file`.
    """
    check_plot_file(path)
    write_atomically(path, _bytes(figure, Path(path).suffix.lower()[1:]))


def _bytes(figure: Figure, kind: str) -> bytes:
    dates = {"svg": "Date", "pdf": "CreationDate"}
    metadata = {dates[kind]: None} if kind in dates else None
    buffer = io.BytesIO()
    with matplotlib.rc_context({"svg.hashsalt": "mnn_gpu"}):
        figure.savefig(buffer, format=kind, metadata=metadata)
    return _small(buffer) if kind == "png" else buffer.getvalue()


def _small(png: io.BytesIO) -> bytes:
    """Return a PNG with 256 colors, less than half the size, if the difference is not visible."""
    image = Image.open(png).convert("RGB")
    few = image.quantize(256, dither=Image.Dither.NONE)
    off = np.abs(np.asarray(image, np.int16) - np.asarray(few.convert("RGB"))).max(axis=2)
    shows = np.mean(off > SEEN) > SEEN_SHARE
    buffer = io.BytesIO()
    (image if shows else few).save(buffer, "png", optimize=True, dpi=(DPI, DPI))
    return buffer.getvalue()
