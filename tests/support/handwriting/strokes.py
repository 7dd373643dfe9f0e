"""Digits as pen strokes: several styles of each, with random variation, and the pen.

Strokes are points in a box of height 1, x to the right, y down. A point given twice is a
corner; all others are connected smoothly (Catmull-Rom).
"""

from __future__ import annotations

from math import cos, radians, sin
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

Points: TypeAlias = "list[tuple[float, float]]"
Array: TypeAlias = "npt.NDArray[Any]"

FINER = 4
"""Supersampling factor of the canvas, which is then averaged."""


def arc(x: float, y: float, rx: float, ry: float, start: float, end: float) -> Points:
    """Points of an ellipse, degrees clockwise from three o'clock."""
    angles = np.linspace(radians(start), radians(end), max(3, int(abs(end - start) / 40) + 1))
    return [(x + rx * cos(a), y + ry * sin(a)) for a in angles]


def corner(x: float, y: float) -> Points:
    return [(x, y), (x, y)]


WAYS: dict[int, dict[str, list[Points]]] = {
    0: {
        "oval": [arc(0.32, 0.5, 0.31, 0.5, -100, 265)],
        "narrow": [arc(0.26, 0.5, 0.23, 0.5, -80, 290)],
        "open": [arc(0.33, 0.5, 0.32, 0.49, -60, 278)],
    },
    1: {
        "bar": [[(0.1, 0.0), (0.08, 0.5), (0.07, 1.0)]],
        "european": [[(0.0, 0.34), (0.2, 0.16), *corner(0.34, 0.0), (0.33, 0.5), (0.32, 1.0)]],
        "flag": [[(0.02, 0.2), *corner(0.18, 0.0), (0.18, 0.5), (0.17, 1.0)]],
        "foot": [
            [(0.08, 0.2), *corner(0.27, 0.0), (0.27, 0.5), (0.27, 0.99)],
            [(0.03, 1.0), (0.5, 0.99)],
        ],
    },
    2: {
        "plain": [
            [*arc(0.3, 0.27, 0.28, 0.27, -170, 30), (0.35, 0.65), *corner(0.02, 0.98), (0.63, 0.97)]
        ],
        "looped": [
            [
                *arc(0.3, 0.25, 0.27, 0.25, -165, 30),
                *[(0.36, 0.64), (0.14, 0.93), (0.05, 0.87), (0.16, 0.8)],
                *[(0.38, 0.93), (0.66, 0.95)],
            ]
        ],
        "swan": [
            [*arc(0.28, 0.26, 0.25, 0.26, -150, 40), *corner(0.05, 0.95), (0.35, 0.92), (0.6, 1.0)]
        ],
    },
    3: {
        "round": [
            [*arc(0.27, 0.25, 0.26, 0.25, -150, 80), *corner(0.22, 0.47)],
            [(0.22, 0.47), *arc(0.27, 0.73, 0.31, 0.27, -80, 155)],
        ],
        "one stroke": [
            [
                *[*arc(0.28, 0.24, 0.25, 0.24, -155, 70), *corner(0.24, 0.48)],
                *arc(0.28, 0.74, 0.3, 0.26, -75, 150),
            ]
        ],
        "flat top": [
            [
                *[(0.04, 0.02), *corner(0.54, 0.0), *corner(0.26, 0.4)],
                *arc(0.26, 0.7, 0.3, 0.3, -70, 150),
            ]
        ],
    },
    4: {
        "open": [
            [(0.1, 0.02), (0.07, 0.3), *corner(0.02, 0.56), (0.35, 0.56), (0.66, 0.55)],
            [(0.47, 0.12), (0.46, 0.55), (0.45, 1.0)],
        ],
        "closed": [
            [(0.46, 1.0), (0.46, 0.5), *corner(0.47, 0.0), *corner(0.0, 0.66), (0.66, 0.65)],
        ],
        "two strokes": [
            [*corner(0.38, 0.0), *corner(0.02, 0.62), (0.65, 0.61)],
            [(0.44, 0.33), (0.44, 0.7), (0.43, 1.0)],
        ],
    },
    5: {
        "two strokes": [
            [*corner(0.14, 0.02), *corner(0.1, 0.42), *arc(0.25, 0.68, 0.31, 0.3, -95, 150)],
            [(0.14, 0.02), (0.56, 0.0)],
        ],
        "one stroke": [
            [
                *[*corner(0.56, 0.0), *corner(0.15, 0.02), *corner(0.1, 0.44)],
                *arc(0.26, 0.7, 0.3, 0.3, -100, 155),
            ]
        ],
        "soft": [
            [
                *[(0.55, 0.02), (0.3, 0.03), (0.15, 0.1), (0.12, 0.3), (0.22, 0.42)],
                *arc(0.28, 0.71, 0.28, 0.28, -60, 150),
            ]
        ],
    },
    6: {
        "curved": [
            [(0.48, 0.0), (0.22, 0.2), (0.06, 0.5), *arc(0.3, 0.7, 0.27, 0.29, 170, -170)],
        ],
        "straight": [
            [(0.3, 0.0), (0.14, 0.32), (0.04, 0.64), *arc(0.28, 0.73, 0.25, 0.26, 160, -165)],
        ],
    },
    7: {
        "plain": [[(0.02, 0.03), *corner(0.58, 0.02), (0.36, 0.5), (0.22, 1.0)]],
        "european": [
            [(0.02, 0.04), *corner(0.58, 0.02), (0.36, 0.5), (0.22, 1.0)],
            [(0.16, 0.5), (0.54, 0.48)],
        ],
        "hooked": [
            [(0.02, 0.16), *corner(0.05, 0.02), (0.3, 0.05), *corner(0.6, 0.02), (0.3, 1.0)]
        ],
    },
    8: {
        "one stroke": [
            [
                *[(0.46, 0.1), (0.27, 0.0), (0.08, 0.15), (0.2, 0.38), (0.42, 0.57), (0.53, 0.78)],
                *[(0.3, 1.0), (0.05, 0.8), (0.16, 0.56), (0.38, 0.38), (0.5, 0.17), (0.44, 0.07)],
            ]
        ],
        "two rings": [
            arc(0.29, 0.24, 0.22, 0.24, 80, -285),
            arc(0.29, 0.74, 0.28, 0.26, -95, 270),
        ],
    },
    9: {
        "straight": [
            [*arc(0.28, 0.27, 0.25, 0.26, -20, -340), *corner(0.54, 0.06), (0.52, 0.5), (0.47, 1.0)]
        ],
        "curved": [
            [
                *[*arc(0.29, 0.27, 0.26, 0.27, -10, -345), *corner(0.55, 0.18)],
                *[(0.53, 0.6), (0.4, 0.93), (0.18, 0.99), (0.06, 0.88)],
            ]
        ],
    },
}
"""Styles of writing each digit, by digit and name."""


def written(digit: int, way: str, rng: np.random.Generator) -> list[Array]:
    """Return the strokes of a handwritten digit: (points, 2) each, height 1.

    Parameters
    ----------
    digit : int
    way : str
        One of ``WAYS[digit]``.
    rng : numpy.random.Generator
    """
    slant, turn = radians(rng.uniform(-6, 16)), radians(rng.uniform(-7, 7))
    wide = rng.uniform(0.85, 1.2)
    shape = np.array([[wide, 0], [0, 1]]) @ np.array([[1, 0], [-np.tan(slant), 1]])
    shape @= np.array([[cos(turn), sin(turn)], [-sin(turn), cos(turn)]])
    strokes = []
    for stroke in WAYS[digit][way]:
        points = np.asarray(stroke)
        shaken = points + rng.normal(0, 0.016, points.shape)
        # A corner remains one: its two points move together.
        twice = (points[1:] == points[:-1]).all(axis=1)
        shaken[1:][twice] = shaken[:-1][twice]
        strokes.append(_smooth(shaken) @ shape)
    low = np.min([stroke.min(axis=0) for stroke in strokes], axis=0)
    high = np.max([stroke.max(axis=0) for stroke in strokes], axis=0)
    return [(stroke - low) / (high - low)[1] for stroke in strokes]


def _smooth(points: Array) -> Array:
    """Pass a Catmull-Rom curve through points, (n, 2)."""
    p = np.concatenate([points[:1], points, points[-1:]])
    t = np.linspace(0, 1, 24, endpoint=False)[:, None]
    pieces = [
        0.5
        * (2 * b + (c - a) * t + (2 * a - 5 * b + 4 * c - d) * t**2 + (3 * (b - c) + d - a) * t**3)
        for a, b, c, d in zip(p, p[1:], p[2:], p[3:], strict=False)
    ]
    return np.concatenate([*pieces, points[-1:]])


def inked(
    strokes: list[Array],
    size: tuple[int, int],
    place: tuple[float, float],
    height: float,
    pen: float,
    rng: np.random.Generator,
) -> Array:
    """Draw strokes with a round pen; return the coverage, (height, width), 0 to 1.

    Parameters
    ----------
    strokes : see `written`
    size : (width, height) of the image
    place : (x, y) of the digit's upper left corner
    height, pen : float
        Height of the digit and diameter of the pen's tip, in pixels.
    rng : numpy.random.Generator
        For the pen's pressure.
    """
    canvas = Image.new("L", (size[0] * FINER, size[1] * FINER))
    draw = ImageDraw.Draw(canvas)
    for stroke in strokes:
        pressure = np.interp(
            np.linspace(0, 1, len(stroke)), np.linspace(0, 1, 5), rng.uniform(0.8, 1.15, 5)
        )
        at = (stroke * height + place) * FINER
        for (x, y), radius in zip(at, pressure * pen * FINER / 2, strict=True):
            draw.ellipse([x - radius, y - radius, x + radius, y + radius], fill=255)
        # Connects points further apart than the width of the pen.
        draw.line([tuple(point) for point in at], fill=255, width=max(1, int(pen * FINER * 0.8)))
    return np.asarray(canvas.reduce(FINER), np.float64) / 255
