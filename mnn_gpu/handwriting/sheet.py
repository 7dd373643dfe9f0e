"""A sheet of images: each original, the network's input, and the prediction."""

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
"""Images per row of the sheet, each next to the network's input."""


def sheet(
    paths: Sequence[Path],
    digits: npt.NDArray[np.uint8],
    answers: Sequence[str],
) -> bytes:
    """Draw a sheet and return it as PNG.

    Parameters
    ----------
    paths : paths of the image files
    digits : (images, 28, 28) uint8, see `prepare_digit`
    answers : a line of text for each image
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
    """Draw an image, the network's input, the prediction and the file name."""
    from PIL import ImageDraw, ImageFont

    images = pillow()
    cell: Image = images.new("RGB", (2 * TILE + GAP // 2, TILE + 2 * LINE), "white")
    image = opened(path)[0].convert("RGBA")
    image.thumbnail((TILE, TILE))
    behind = images.new("RGBA", (TILE, TILE), "#dddddd")
    behind.alpha_composite(image, ((TILE - image.width) // 2, (TILE - image.height) // 2))
    cell.paste(behind, (0, 0))
    seen = images.fromarray(digit).resize((TILE, TILE), images.Resampling.NEAREST)
    cell.paste(seen, (TILE + GAP // 2, 0))
    draw = ImageDraw.Draw(cell)
    draw.text((0, TILE + 2), answer, "black", ImageFont.load_default(16))
    draw.text((0, TILE + LINE), _shortened(path.name), "#666666", ImageFont.load_default(12))
    return cell


def _shortened(name: str, most: int = 42) -> str:
    """Shorten a name in its middle; characters that the font lacks become question marks."""
    shown = name.encode("latin-1", "replace").decode("latin-1")
    return shown if len(shown) <= most else f"{shown[: most // 2]}...{shown[-most // 2 + 3 :]}"
