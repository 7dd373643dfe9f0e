"""Surroundings of a digit in an image: boxes, tables under a sheet, borders, tight crops."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFilter

Array: TypeAlias = "npt.NDArray[Any]"


def written(digit: Array, side: int) -> Image.Image:
    """Return one of MNIST's digits, (28, 28), as dark ink on white, ``side`` pixels large."""
    large = Image.fromarray(digit).resize((side, side), Image.Resampling.BICUBIC)
    return Image.fromarray(255 - np.asarray(large))


def tight(digit: Array, rng: np.random.Generator) -> Image.Image:
    """A digit cropped to its edges, or a few pixels beyond."""
    image = written(digit, int(rng.integers(60, 300)))
    rows, columns = (np.flatnonzero((np.asarray(image) < 155).any(axis=a)) for a in (1, 0))
    beyond = int(rng.integers(0, 4))
    box = (columns[0], rows[0], columns[-1] + 1, rows[-1] + 1)
    left, top, right, bottom = (int(edge) for edge in box)
    return image.crop((left - beyond, top - beyond, right + beyond, bottom + beyond))


def boxed(digit: Array, rng: np.random.Generator) -> Image.Image:
    """A digit in the printed box of a form, seen at a slight angle."""
    side = int(rng.integers(120, 420))
    image = written(digit, side)
    page = Image.new("L", (side + side // 3, side + side // 3), 255)
    page.paste(image, (side // 6, side // 6))
    gap = int(rng.uniform(-0.03, 0.1) * side)
    near, far = side // 6 - gap, side // 6 + side + gap
    width, ink = int(rng.integers(1, 2 + side // 40)), int(rng.integers(0, 120))
    ImageDraw.Draw(page).rectangle([near, near, far, far], outline=ink, width=width)
    return seen(page, rng, 255)


def on_table(digit: Array, rng: np.random.Generator) -> Image.Image:
    """A small sheet on a dark table, partly outside the image."""
    side = int(rng.integers(150, 350))
    sheet = Image.new("L", (side, int(side * rng.uniform(0.8, 1.4))), int(rng.integers(220, 256)))
    size = int(side * rng.uniform(0.4, 0.9))
    x, y = (np.array(sheet.size) - size) * rng.uniform(0.1, 0.9, 2)
    place = int(x), int(y)
    sheet.paste(written(digit, size).point(lambda v: v * sheet.getpixel((0, 0)) // 255), place)
    table = int(rng.integers(10, 110))
    border = rng.uniform(0.04, 0.5, 4) * side * (rng.random(4) < 0.8)
    left, top, right, bottom = (int(edge) for edge in border)
    size_all = (sheet.width + left + right, sheet.height + top + bottom)
    page = Image.new("L", size_all, table)
    page.paste(sheet, (left, top))
    return seen(page, rng, table)


def rimmed(digit: Array, rng: np.random.Generator) -> Image.Image:
    """A screenshot: a border on all sides or a bar on some, right at the edge."""
    side = int(rng.integers(120, 400))
    light = int(rng.integers(235, 256))
    page = Image.new("L", (int(side * rng.uniform(1, 1.6)), side), light)
    size = int(side * rng.uniform(0.4, 0.8))
    x, y = (np.array(page.size) - size) * rng.uniform(0.25, 0.75, 2)
    place = int(x), int(y)
    page.paste(written(digit, size).point(lambda v: v * light // 255), place)
    pixels = np.asarray(page).copy()
    thick = int(rng.uniform(0.005, 0.08) * side) + 1
    rim = int(rng.integers(0, 150))
    sides = rng.random(4) < 0.6 if rng.random() < 0.5 else np.ones(4, bool)
    for index in range(4):
        if sides[index]:
            np.rot90(pixels, index)[:thick] = rim
    return Image.fromarray(pixels)


def seen(page: Image.Image, rng: np.random.Generator, around: int) -> Image.Image:
    """View a page at an angle, slightly out of focus, with noise and uneven light."""
    width, height = page.size
    corners = np.array([[0, 0], [0, height], [width, height], [width, 0]], float)
    corners += rng.uniform(-0.04, 0.04, (4, 2)) * page.size
    tilted = page.transform(
        page.size,
        Image.Transform.QUAD,
        corners.ravel().tolist(),
        Image.Resampling.BICUBIC,
        fillcolor=around,
    )
    soft = tilted.filter(ImageFilter.GaussianBlur(rng.uniform(0, 1)))
    pixels = np.asarray(soft, float) * np.linspace(1, rng.uniform(0.75, 1), width)
    return Image.fromarray(
        np.clip(pixels + rng.normal(0, 2, pixels.shape), 0, 255).astype(np.uint8)
    )


Scene: TypeAlias = Callable[[Array, np.random.Generator], Image.Image]

KINDS: dict[str, Scene] = {
    "tight": tight,
    "boxed": boxed,
    "on table": on_table,
    "rimmed": rimmed,
}
