"""Colors of plots on light and dark backgrounds, distinguishable with color blindness.

References
----------
Okabe, Ito: Color Universal Design (2008), https://jfly.uni-koeln.de/color/
"""

from __future__ import annotations

from dataclasses import dataclass

from mnn_gpu.utils.validation import one_of


@dataclass(frozen=True)
class Theme:
    """The colors of a plot.

    Attributes
    ----------
    background, ink, muted, faint : str
        Background; text; secondary text; lines of little importance.
    cell : str
        An empty cell of a matrix, and weights that are 0.
    blue, orange : str
        Correct, or training; wrong, or held out.
    image : (str, str)
        The values 0 and 1 in an image.
    """

    background: str
    ink: str
    muted: str
    faint: str
    cell: str
    blue: str
    orange: str
    image: tuple[str, str]


LIGHT = Theme(
    background="#ffffff",
    ink="#1f2328",
    muted="#59636e",
    faint="#d1d9e0",
    cell="#f6f8fa",
    blue="#0072b2",
    orange="#d55e00",
    image=("#ffffff", "#000000"),
)
# The background of GitHub's dark theme, and lighter variants of blue and orange.
DARK = Theme(
    background="#0d1117",
    ink="#f0f6fc",
    muted="#9198a1",
    faint="#3d444d",
    cell="#161b22",
    blue="#56b4e9",
    orange="#e69f00",
    image=("#161b22", "#f0f6fc"),
)
THEMES = {"light": LIGHT, "dark": DARK}


def theme_named(name: str) -> Theme:
    """Return a theme by its name.

    Raises
    ------
    UsageError
    """
    one_of("theme", name, THEMES)
    return THEMES[name]
