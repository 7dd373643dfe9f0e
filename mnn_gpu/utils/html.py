"""Small tables and charts as self-contained HTML, for display in a notebook.

Text and lines use the page's text color, so they are legible on light and dark backgrounds.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

BLUE, ORANGE = "#2F8FD0", "#D55E00"
"""Colors that are distinguishable with color blindness, on both white and black."""

WIDTH, HEIGHT, MARGIN = 340, 150, 44

Line = tuple[str, str, Sequence[tuple[float, float]]]
"""Name, color and points."""


def table(rows: Iterable[tuple[str, str]], title: str = "") -> str:
    """Return a table of names and values, both plain text."""
    cells = "".join(
        f'<tr><th style="text-align:left;padding-right:1em;white-space:nowrap">{escape(name)}</th>'
        f'<td style="text-align:left">{escape(value)}</td></tr>'
        for name, value in rows
    )
    heading = f"<b>{escape(title)}</b>" if title else ""
    style = "color:inherit;font-size:inherit"
    return f'<div>{heading}<table style="{style}">{cells}</table></div>'


def chart(title: str, axis: str, lines: Sequence[Line], label_format: str = "{:.3f}") -> str:
    """Return lines over a common axis as SVG, with the ranges of both axes as text."""
    xs = [x for _, _, points in lines for x, _ in points]
    ys = [y for _, _, points in lines for _, y in points]
    left, right, low, high = min(xs), max(xs), min(ys), max(ys)

    def place(x: float, y: float) -> str:
        across = (x - left) / ((right - left) or 1) * (WIDTH - MARGIN - 10) + MARGIN
        down = (1 - (y - low) / ((high - low) or 1)) * (HEIGHT - 50) + 22
        return f"{across:.1f},{down:.1f}"

    parts = [_text(MARGIN, 12, title, bold=True)]
    for i, (name, color, points) in enumerate(lines):
        path = " ".join(place(x, y) for x, y in points)
        parts.append(f'<polyline points="{path}" fill="none" stroke="{color}" stroke-width="2"/>')
        parts.append(_text(WIDTH - 150 + 75 * i, 12, name, color))
    frame = f"{place(left, high)} {place(left, low)} {place(right, low)}"
    parts += [
        f'<polyline points="{frame}" fill="none" stroke="currentColor" stroke-opacity=".4"/>',
        _text(MARGIN - 6, 26, label_format.format(high), anchor="end"),
        _text(MARGIN - 6, HEIGHT - 26, label_format.format(low), anchor="end"),
        _text(MARGIN, HEIGHT - 10, f"{left:g}"),
        _text(WIDTH - 10, HEIGHT - 10, f"{axis} {right:g}", anchor="end"),
    ]
    label = f"{title} over {axis}s"
    return (
        f'<svg role="img" aria-label="{escape(label)}" width="{WIDTH}" height="{HEIGHT}" '
        f'font-size="11" font-family="sans-serif">{"".join(parts)}</svg>'
    )


def _text(
    x: float,
    y: float,
    text: str,
    color: str = "currentColor",
    *,
    anchor: str = "start",
    bold: bool = False,
) -> str:
    look = f'fill="{color}" text-anchor="{anchor}"' + (' font-weight="bold"' if bold else "")
    return f'<text x="{x}" y="{y}" {look}>{escape(text)}</text>'
