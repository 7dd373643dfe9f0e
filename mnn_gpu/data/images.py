"""Image files that are rows of a data set: greys as they are, colours turned into greys."""

from __future__ import annotations

import io
import warnings
from types import ModuleType
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from mnn_gpu.errors import DataError

FORMATS = ("PNG", "JPEG", "GIF", "WEBP", "BMP", "TIFF", "PPM")
SUFFIXES = frozenset(
    {".png", ".jpg", ".jpeg", ".gif", ".webp", ".bmp", ".tif", ".tiff", ".ppm", ".pgm", ".pbm"}
)
MOST_PIXELS = 1 << 22
"""Of one image: a network of millions of inputs is not what is meant."""
SIZE_CURE = "Scale all images to one size first."


def pillow(source: str) -> ModuleType:
    """Return Pillow's Image module.

    Raises
    ------
    DataError
        If Pillow is not installed.
    """
    try:
        import PIL.Image
    except ImportError as error:
        raise DataError(
            f"{source}: reading images needs the package Pillow.",
            'Run pip install "mnn_gpu[images]".',
        ) from error
    return PIL.Image


def decoded(content: bytes | IO[bytes], source: str) -> npt.NDArray[Any]:
    """Return the greys of an image file, (height, width), uint8 or uint16.

    Parameters
    ----------
    content : bytes or binary file
        PNG, JPEG, GIF, WebP, BMP, TIFF or PPM.
    source : str
        For messages.

    Raises
    ------
    DataError
        If it is no such image, damaged, transparent or too large.
    """
    images = pillow(source)
    file = io.BytesIO(content) if isinstance(content, bytes) else content
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # The limit below is stricter than Pillow's.
            with images.open(file, formats=FORMATS) as image:
                if not 0 < image.width * image.height <= MOST_PIXELS:
                    raise DataError(
                        f"{source} has {image.width:,} x {image.height:,} pixels.", SIZE_CURE
                    )
                return _greys(image, source)
    except DataError:
        raise
    except Exception as error:  # Pillow's decoders raise whatever damage leads them to.
        raise DataError(
            f"{source} is not an image that can be read ({error or type(error).__name__}).",
            "Give PNG, JPEG, GIF, WebP, BMP, TIFF or PPM; download or copy it again.",
        ) from error


def _greys(image: Any, source: str) -> npt.NDArray[Any]:
    if image.mode.startswith("I"):
        wide = np.asarray(image)
        if wide.min() < 0 or wide.max() > np.iinfo(np.uint16).max:
            raise DataError(f"{source} has greys of over 16 bits.", "Save it with 8 or 16 bits.")
        return wide.astype(np.uint16)
    if "transparency" in image.info or image.mode in ("LA", "La", "PA", "RGBA", "RGBa"):
        image = image.convert("RGBA")
        if image.getchannel("A").getextrema()[0] < np.iinfo(np.uint8).max:
            raise DataError(f"{source} is transparent in parts.", "Save it with a background.")
    return np.asarray(image.convert("L"), np.uint8)


def check_like(image: npt.NDArray[Any], first: npt.NDArray[Any], source: str) -> None:
    """Check that an image has the size of the first one, and its bits a pixel.

    Raises
    ------
    DataError
    """
    check_shape(image.shape, first.shape, source)
    if image.dtype != first.dtype:
        raise DataError(
            f"{source} has {8 * image.itemsize} bits a pixel, the first image has "
            f"{8 * first.itemsize}.",
            "Save all of them with the same.",
        )


def check_shape(shape: tuple[int, ...], first: tuple[int, ...], source: str) -> None:
    """Check that an image has the height and width of the first one.

    Raises
    ------
    DataError
    """
    if shape != first:
        raise DataError(
            f"{source} is an image of {' x '.join(map(str, shape))} pixels, the first one has "
            f"{' x '.join(map(str, first))}.",
            SIZE_CURE,
        )
