"""Styles of images: digits drawn on a screen, and simulated photographs of written ones.

None of them was taken by a camera. In the photograph styles, paper, ruling, light, lens and
compression are simulated by the functions below.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageFilter

from tests.support.handwriting.strokes import WAYS, inked, written

Array: TypeAlias = "npt.NDArray[Any]"
Color: TypeAlias = "tuple[float, float, float]"
Scene: TypeAlias = Callable[[int, str, np.random.Generator], bytes]

SIDE = 168
WHITE: Color = (1.0, 1.0, 1.0)
INKS: list[Color] = [(0.1, 0.1, 0.12), (0.08, 0.13, 0.45), (0.1, 0.1, 0.1), (0.35, 0.35, 0.37)]
PENS: list[Color] = [(0.1, 0.2, 0.75), (0.8, 0.1, 0.1), (0.05, 0.5, 0.2), (0.95, 0.45, 0.0)]
PAPERS: list[Color] = [(1.0, 1.0, 1.0), (1.0, 0.97, 0.75), (0.8, 0.9, 1.0), (0.95, 0.8, 0.85)]


def ink(
    digit: int,
    way: str,
    rng: np.random.Generator,
    pen: tuple[float, float],
    height: tuple[float, float] = (0.5, 0.8),
    size: tuple[int, int] = (SIDE, SIDE),
) -> Array:
    """Draw a digit at a random position; pen width relative to the digit, height to the image."""
    strokes = written(digit, way, rng)
    tall = rng.uniform(*height) * size[1]
    thick = max(1.0, rng.uniform(*pen) * tall)
    wide = tall * max(stroke[:, 0].max() for stroke in strokes)
    free = np.array([size[0] - wide, size[1] - tall]) - 2 * thick
    place = np.maximum(free, 0) * rng.uniform(0.1, 0.9, 2) + thick
    return inked(strokes, size, (place[0], place[1]), tall, thick, rng)


def painted(coverage: Array, pen: Color, paper: Color | Array) -> Array:
    """Put ink on paper, (height, width, 3), 0 to 1."""
    ink = coverage[..., None]
    return np.asarray(ink * np.array(pen) + (1 - ink) * np.asarray(paper))


def encoded(canvas: Array, kind: str, **options: Any) -> bytes:
    """Encode an image, (height, width, channels) from 0 to 1, as a file of the given kind."""
    pixels = (np.clip(canvas, 0, 1) * 255).round().astype(np.uint8)
    buffer = io.BytesIO()
    image = Image.fromarray(pixels)
    if kind == "PNG" and image.mode == "RGB":
        image = image.quantize(16)
    image.save(buffer, kind, **options)
    return buffer.getvalue()


# ---- drawn ---------------------------------------------------------------------------


def thin(digit: int, way: str, rng: np.random.Generator) -> bytes:
    """A fine black line on white."""
    return encoded(painted(ink(digit, way, rng, (0.012, 0.03)), INKS[2], WHITE), "PNG")


def thick(digit: int, way: str, rng: np.random.Generator) -> bytes:
    """A broad black marker on white."""
    return encoded(painted(ink(digit, way, rng, (0.11, 0.17)), INKS[2], WHITE), "PNG")


def light(digit: int, way: str, rng: np.random.Generator) -> bytes:
    """Light on dark, as on a dark screen."""
    dark = rng.uniform(0.0, 0.25, 3)
    image = painted(ink(digit, way, rng, (0.05, 0.1)), (0.95, 0.95, 0.9), dark)
    return encoded(image, "GIF" if way in ("plain", "oval") else "PNG")


def colour(digit: int, way: str, rng: np.random.Generator) -> bytes:
    """A coloured pen on white or tinted paper."""
    pen = PENS[rng.integers(len(PENS))]
    paper = PAPERS[rng.integers(len(PAPERS))]
    return encoded(painted(ink(digit, way, rng, (0.05, 0.1)), pen, paper), "PNG")


def small(digit: int, way: str, rng: np.random.Generator) -> bytes:
    """A small digit somewhere in a large image."""
    coverage = ink(digit, way, rng, (0.07, 0.11), (0.06, 0.12), (800, 600))
    return encoded(painted(coverage, INKS[1], WHITE), "WEBP", quality=40)


def transparent(digit: int, way: str, rng: np.random.Generator) -> bytes:
    """Colored ink on a transparent background; on black it would be invisible."""
    coverage = ink(digit, way, rng, (0.05, 0.1))
    pen = [(0.05, 0.05, 0.05), (0.95, 0.95, 0.95), (0.1, 0.2, 0.75)][rng.integers(3)]
    colour_ = np.broadcast_to(pen, (*coverage.shape, 3))
    return encoded(np.concatenate([colour_, coverage[..., None]], axis=2), "PNG")


# ---- simulated photographs -----------------------------------------------------------


def paper_texture(size: int, rng: np.random.Generator) -> Array:
    """Fibers and clouds of paper around 0, (size, size)."""
    texture = np.zeros((size, size))
    for blur, strength in ((0.7, 0.010), (3, 0.010), (18, 0.012)):
        noise = smooth(rng.normal(0, 1, (size, size)), blur)
        texture += strength * noise / noise.std()
    return texture


def smooth(field: Array, radius: float) -> Array:
    image = Image.fromarray(field.astype(np.float32))
    # Pillow only blurs bytes.
    low, high = field.min(), field.max() + 1e-9
    bytes_ = Image.fromarray(((np.asarray(image) - low) / (high - low) * 255).astype(np.uint8))
    blurred = np.asarray(bytes_.filter(ImageFilter.GaussianBlur(radius)), np.float64)
    return np.asarray(blurred - blurred.mean())


def ruled(size: int, rng: np.random.Generator, both: bool) -> Array:
    """Printed lines: the coverage of each pixel, (size, size)."""
    gap, offset = rng.uniform(22, 34), rng.uniform(0, 30)
    position = np.arange(size)
    distance = np.abs((position - offset + gap / 2) % gap - gap / 2)
    line = np.clip(1.2 - distance, 0, 1)
    lines = np.broadcast_to(line[:, None], (size, size))
    return np.maximum(lines, line[None, :]) if both else lines.copy()


def lit(size: int, rng: np.random.Generator) -> Array:
    """Uneven light: a gradient and the soft edge of a shadow, (size, size), at most 1."""
    row, column = np.mgrid[-1 : 1 : size * 1j, -1 : 1 : size * 1j]
    angle, edge = rng.uniform(0, 2 * np.pi, 2)
    slope = 1 - rng.uniform(0.08, 0.22) * (1 + np.cos(angle) * row + np.sin(angle) * column)
    across = np.cos(edge) * row + np.sin(edge) * column - rng.uniform(-0.6, 0.6)
    shadow = 1 - rng.uniform(0.1, 0.4) / (1 + np.exp(-across / rng.uniform(0.08, 0.4)))
    return np.asarray(np.minimum(slope, 1) * shadow)


def photographed(sheet: Array, rng: np.random.Generator, tilt: float, margin: int) -> bytes:
    """Photograph a sheet, (size, size, 3), with a simulated hand-held camera."""
    size = len(sheet)
    tint = np.array([1.0, rng.uniform(0.94, 1.0), rng.uniform(0.84, 1.0)])
    scene = np.clip(sheet, 0, 1) * lit(size, rng)[..., None] * tint * rng.uniform(0.75, 0.95)
    image = Image.fromarray((np.clip(scene, 0, 1) * 255).astype(np.uint8))
    corners = np.array([[0, 0], [0, 1], [1, 1], [1, 0]]) * (size - 2 * margin) + margin
    corners = corners + rng.uniform(-tilt, tilt, (4, 2)) * margin
    image = image.transform(
        (SIDE, SIDE), Image.Transform.QUAD, corners.ravel().tolist(), Image.Resampling.BICUBIC
    )
    image = image.filter(ImageFilter.GaussianBlur(rng.uniform(0.4, 1.1)))
    pixels = np.asarray(image, np.float64) / 255
    noise = rng.normal(0, 1, pixels.shape) * (0.008 + 0.012 * np.sqrt(pixels))
    return encoded(pixels + noise, "JPEG", quality=int(rng.integers(45, 66)))


def sheet_of(
    digit: int,
    way: str,
    rng: np.random.Generator,
    pen: tuple[float, float] = (0.035, 0.09),
    lines: str = "",
) -> tuple[Array, int]:
    """Write on paper, ruled or not; return the sheet, which is larger than the photograph."""
    margin = 26
    size = SIDE + 2 * margin
    coverage = np.zeros((size, size))
    inner = ink(digit, way, rng, pen)
    coverage[margin:-margin, margin:-margin] = inner * rng.uniform(0.8, 1.0)
    paper = np.array([0.97, 0.965, 0.95]) + paper_texture(size, rng)[..., None]
    if lines:
        strength = rng.uniform(0.25, 0.5) * ruled(size, rng, lines == "squared")
        paper = painted(strength, [(0.35, 0.5, 0.8), (0.5, 0.5, 0.55)][rng.integers(2)], paper)
    return painted(coverage, INKS[rng.integers(len(INKS))], paper), margin


def photo_plain(digit: int, way: str, rng: np.random.Generator) -> bytes:
    """Pen on plain paper in uneven light."""
    sheet, margin = sheet_of(digit, way, rng)
    return photographed(sheet, rng, 0.3, margin)


def photo_ruled(digit: int, way: str, rng: np.random.Generator) -> bytes:
    """Pen on ruled paper."""
    sheet, margin = sheet_of(digit, way, rng, lines="ruled")
    return photographed(sheet, rng, 0.2, margin)


def photo_squared(digit: int, way: str, rng: np.random.Generator) -> bytes:
    """Pen on squared paper."""
    sheet, margin = sheet_of(digit, way, rng, lines="squared")
    return photographed(sheet, rng, 0.2, margin)


def photo_tilted(digit: int, way: str, rng: np.random.Generator) -> bytes:
    """A sheet seen at an angle."""
    sheet, margin = sheet_of(digit, way, rng)
    return photographed(sheet, rng, 0.95, margin)


def photo_board(digit: int, way: str, rng: np.random.Generator) -> bytes:
    """Chalk on a dark board with traces of wiping."""
    margin = 26
    size = SIDE + 2 * margin
    coverage = np.zeros((size, size))
    coverage[margin:-margin, margin:-margin] = ink(digit, way, rng, (0.07, 0.12))
    grain = np.clip(0.85 + 8 * paper_texture(size, rng), 0.35, 1)
    board = np.array([0.13, 0.2, 0.17]) + 1.5 * paper_texture(size, rng)[..., None]
    return photographed(painted(coverage * grain, (0.93, 0.93, 0.88), board), rng, 0.3, margin)


DRAWN: list[Scene] = [thin, thick, light, colour, small, transparent]
PHOTOGRAPHED: list[Scene] = [photo_plain, photo_ruled, photo_squared, photo_tilted, photo_board]


def name_of(scene: Scene) -> str:
    return scene.__name__.replace("_", "-")


def images(scene: Scene, digit: int, count: int, seed: int) -> list[tuple[str, bytes]]:
    """Create some images of a digit: its styles in turn, each image with its own seed."""
    ways = list(WAYS[digit])
    made = []
    for i in range(count):
        rng = np.random.default_rng([seed, digit, i, *scene.__name__.encode()])
        way = ways[int(rng.integers(len(ways)))]
        made.append((way, scene(digit, way, rng)))
    return made
