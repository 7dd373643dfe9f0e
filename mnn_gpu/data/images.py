"""Image files as rows of a data set: gray levels unchanged, colors converted to gray."""

from __future__ import annotations

import io
import warnings
from pathlib import Path
from types import ModuleType
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from mnn_gpu.data.untrusted_files import explain_os_error
from mnn_gpu.errors import DataError
from mnn_gpu.storage.os_errors import is_of_system
from mnn_gpu.utils.packages import require

FORMATS = ("PNG", "JPEG", "GIF", "WEBP", "BMP", "TIFF", "PPM")
MOST_PIXELS = 1 << 22
"""Pixels of one image, at most: a network with millions of inputs is not intended."""
SIZE_CURE = "Scale all images to one size first."


def pillow(source: str) -> ModuleType:
    """Return Pillow's Image module.

    Raises
    ------
    DataError
        If Pillow is not installed, or too old.
    """
    require("PIL", purpose=f"{source}: reading images", error=DataError)
    import PIL.Image

    return PIL.Image


def decoded(content: bytes | IO[bytes], source: str) -> npt.NDArray[Any]:
    """Return the gray levels of an image file, (height, width), uint8 or uint16.

    Parameters
    ----------
    content : bytes or binary file
        PNG, JPEG, GIF, WebP, BMP, TIFF or PPM.
    source : str
        For messages.

    Raises
    ------
    DataError
        If it is not such an image, or is damaged, transparent or too large.
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
                return _gray_levels(image, source)
    except DataError:
        raise
    except Exception as error:  # Pillow's decoders raise almost any exception for damaged files.
        if is_of_system(error):
            raise explain_os_error(error, Path(source)) from error
        raise DataError(
            f"{source} is not an image that can be read ({error or type(error).__name__}).",
            "Give PNG, JPEG, GIF, WebP, BMP, TIFF or PPM; download or copy it again.",
        ) from error


def _gray_levels(image: Any, source: str) -> npt.NDArray[Any]:
    if image.mode.startswith("I"):
        wide = np.asarray(image)
        if wide.min() < 0 or wide.max() > np.iinfo(np.uint16).max:
            raise DataError(f"{source} has over 16 bits per pixel.", "Save it with 8 or 16 bits.")
        return wide.astype(np.uint16)
    if "transparency" in image.info or image.mode in ("LA", "La", "PA", "RGBA", "RGBa"):
        image = image.convert("RGBA")
        if image.getchannel("A").getextrema()[0] < np.iinfo(np.uint8).max:
            raise DataError(f"{source} is partly transparent.", "Save it with a background.")
    return np.asarray(image.convert("L"), np.uint8)


def check_like(image: npt.NDArray[Any], first: npt.NDArray[Any], source: str) -> None:
    """Check that an image has the size and the bits per pixel of the first one.

    Raises
    ------
    DataError
    """
    check_shape(image.shape, first.shape, source)
    if image.dtype != first.dtype:
        raise DataError(
            f"{source} has {8 * image.itemsize} bits per pixel, the first image has "
            f"{8 * first.itemsize}.",
            "Save all of them with the same number.",
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
