"""Colours of pictures, on light and on dark: told apart by the colour-blind.

References
----------
Okabe, Ito: Color Universal Design (2008), https://jfly.uni-koeln.de/color/
"""

from __future__ import annotations

from dataclasses import dataclass

from mnn_gpu.utils.validation import one_of


@dataclass(frozen=True)
class Theme:
    """The colours of a picture.

    Attributes
    ----------
    background, ink, muted, faint : str
        Of the paper; of words; of words that matter less; of lines that hardly matter.
    cell : str
        Of a matrix's empty cell, and of weights that are 0.
    blue, orange : str
        What is right, or of the training; what is wrong, or held out.
    image : (str, str)
        Of an image's zeros and of its ones.
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
# GitHub's dark page, and the lighter of the two blues and oranges.
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
