"""A sheet of pictures: each as it came, as the network saw it, and the answer."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from mnn_gpu.handwriting.decode import opened, pillow

if TYPE_CHECKING:
    from PIL.Image import Image

TILE, GAP, LINE = 140, 12, 22
ACROSS = 4
"""Pictures in a row of the sheet, each beside what the network saw of it."""


def sheet(
    paths: Sequence[Path],
    digits: npt.NDArray[np.uint8],
    answers: Sequence[str],
) -> bytes:
    """Draw a sheet and return it as PNG.

    Parameters
    ----------
    paths : the pictures' files
    digits : (pictures, 28, 28) uint8, see `prepare_digit`
    answers : a line of text for each
    """
    images = pillow()
    across = min(ACROSS, len(paths))
    rows = -(-len(paths) // across)
    cell = (2 * TILE + 2 * GAP, TILE + 2 * LINE + 2 * GAP)
    page = images.new("RGB", (across * cell[0] + GAP, rows * cell[1] + GAP), "white")
    for i, (path, digit, answer) in enumerate(zip(paths, digits, answers, strict=True)):
        corner = GAP + i % across * cell[0], GAP + i // across * cell[1]
        page.paste(_cell(path, digit, answer), corner)
    buffer = io.BytesIO()
    page.save(buffer, "PNG")
    return buffer.getvalue()


def _cell(path: Path, digit: npt.NDArray[np.uint8], answer: str) -> Image:
    """Draw a picture, what the network saw of it, the answer and the name."""
    from PIL import ImageDraw, ImageFont

    images = pillow()
    cell: Image = images.new("RGB", (2 * TILE + GAP // 2, TILE + 2 * LINE), "white")
    picture = opened(path)[0].convert("RGBA")
    picture.thumbnail((TILE, TILE))
    behind = images.new("RGBA", (TILE, TILE), "#dddddd")
    behind.alpha_composite(picture, ((TILE - picture.width) // 2, (TILE - picture.height) // 2))
    cell.paste(behind, (0, 0))
    seen = images.fromarray(digit).resize((TILE, TILE), images.Resampling.NEAREST)
    cell.paste(seen, (TILE + GAP // 2, 0))
    draw = ImageDraw.Draw(cell)
    draw.text((0, TILE + 2), answer, "black", ImageFont.load_default(16))
    draw.text((0, TILE + LINE), _shortened(path.name), "#666666", ImageFont.load_default(12))
    return cell


def _shortened(name: str, most: int = 42) -> str:
    """Shorten a name in its middle; what the built-in font cannot show becomes a question mark."""
    shown = name.encode("latin-1", "replace").decode("latin-1")
    return shown if len(shown) <= most else f"{shown[: most // 2]}...{shown[-most // 2 + 3 :]}"
