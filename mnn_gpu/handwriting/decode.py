"""Decoding images to colors: files in many formats, arrays, Pillow images."""

from __future__ import annotations

import os
import warnings
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import numpy.typing as npt

from mnn_gpu.data.untrusted_files import CHUNK, explain_os_error, is_folder
from mnn_gpu.errors import DataError
from mnn_gpu.storage.os_errors import is_of_system
from mnn_gpu.storage.regular_file import open_regular
from mnn_gpu.utils.packages import require

if TYPE_CHECKING:
    from PIL.Image import Image

Array: TypeAlias = "npt.NDArray[Any]"
ImageInput: TypeAlias = "str | os.PathLike[str] | npt.NDArray[Any] | Image"

FORMATS = frozenset(
    {"PNG", "JPEG", "MPO", "GIF", "WEBP", "BMP", "DIB", "TIFF", "AVIF", "HEIF", "PPM"}
)
"""Formats that Pillow may detect, whatever the name: for EPS it would start Ghostscript."""

GRAYS = frozenset({"I", "I;16", "I;16L", "I;16B", "F"})
MOST_PIXELS = 80_000_000
"""Pixels of arrays, and of a JPEG, which is decoded at a fraction of its size."""
MOST_DECODED = 50_000_000
"""Pixels of other files: WebP's decoder keeps four copies of 4 bytes per pixel."""
MOST_SCANS = 40
"""Scans of a JPEG: progressive ones have about ten, and each takes time to decode."""
LONGEST_SIDE = 800
"""Larger images are scaled down to this size: enough for a digit, and fast."""

KINDS = "a PNG, JPEG, GIF, WebP, BMP or TIFF file"
SHAPES = "(height, width), (height, width, 3) or (height, width, 4)"


def pillow() -> ModuleType:
    """Return Pillow's Image module, or raise a UsageError that says how to install it."""
    require("PIL")
    require("scipy", purpose="Reading images")
    import PIL.Image
    import PIL.ImageOps  # noqa: F401

    return PIL.Image


def opened(image: ImageInput) -> tuple[Image, str]:
    """Return an image as a Pillow image, upright and not too large, and its name for messages.

    Raises
    ------
    DataError
        If there is no such file, it is not an image, damaged or too large, or an
        array is not an image.
    """
    images = pillow()
    if isinstance(image, images.Image):
        _check_size(image, "the image")
        return _upright(image.copy(), "the image"), "the image"
    if isinstance(image, str | os.PathLike):
        return _read(Path(image)), str(image)
    return _upright(images.fromarray(_bytes(image)), "the array"), "the array"


def colors(image: Image) -> Array:
    """Return an image's colors, (height, width, 3), 0 to 1, composed with a background.

    Transparent pixels become white behind dark ink and black behind light ink.
    """
    pixels = np.asarray(image.convert("RGBA"), np.float32) / 255
    rgb, alpha = pixels[..., :3], pixels[..., 3:]
    if alpha.min() == 1:
        return rgb
    ink = float((rgb * alpha).sum() / max(3 * float(alpha.sum()), 1e-6))
    paper = 1.0 if ink < 0.5 else 0.0
    mixed: Array = rgb * alpha + np.float32(paper) * (1 - alpha)
    return mixed


def _read(path: Path) -> Image:
    images = pillow()
    if is_folder(path):
        raise DataError(f"{path} is a folder.", "Give the images in it.")
    try:
        with warnings.catch_warnings():
            # The limit below is stricter; Pillow's warning would be redundant.
            warnings.simplefilter("ignore")
            images.init()
            formats = sorted(FORMATS.intersection(images.OPEN))
            with open_regular(path) as file, images.open(file, formats=formats) as image:
                _check_size(image, str(path))
                _check_scans(image, path)
                image.draft("RGB", (2 * LONGEST_SIDE, 2 * LONGEST_SIDE))
                return _upright(image, str(path))
    except DataError:
        raise
    except images.UnidentifiedImageError as error:
        raise DataError(
            f"{path} is not an image in a supported format.",
            f"Give {KINDS}; convert a photograph in another format (HEIC) first.",
        ) from error
    except images.DecompressionBombError as error:
        raise _too_large(str(path), "", MOST_DECODED) from error
    except Exception as error:  # Pillow's decoders raise almost any exception for damaged files.
        if is_of_system(error):
            raise explain_os_error(error, path) from error
        raise DataError(
            f"{path} cannot be decoded: {error or type(error).__name__}.",
            "The file seems to be damaged; save or copy it again.",
        ) from error


def _upright(image: Image, source: str) -> Image:
    """Decode, scale down and rotate as recorded by the camera, in place to save memory.

    16-bit and other gray levels are converted to 8 bits.
    """
    import PIL.ImageOps

    _check_size(image, source)
    if image.mode in GRAYS:
        image = _gray_as_bytes(image)
    if "transparency" in image.info or image.mode in ("LA", "La", "PA", "RGBa"):
        image = image.convert("RGBA")
    elif image.mode not in ("L", "RGB", "RGBA"):
        image = image.convert("L" if image.mode == "1" else "RGB")
    # Integer factors with a box filter: averages, so that thin lines do not vanish.
    image.thumbnail((LONGEST_SIDE, LONGEST_SIDE), pillow().Resampling.BOX)
    image = PIL.ImageOps.exif_transpose(image)
    return image.convert("RGB") if image.mode == "L" else image


def _gray_as_bytes(image: Image) -> Image:
    """Convert more than 8 bits of gray to 8, after reduction: floats of a large image need much
    memory.
    """
    step = max(1, max(image.size) // LONGEST_SIDE)
    wide = image if image.mode in ("I", "F") else image.convert("I")
    gray: Image = pillow().fromarray(_levels(np.asarray(wide.reduce(step), np.float64)))
    gray.info = {name: image.info[name] for name in ("exif",) if name in image.info}
    return gray


def _check_size(image: Image, source: str) -> None:
    most = MOST_DECODED if image.format in FORMATS - {"JPEG", "MPO"} else MOST_PIXELS
    if image.width * image.height > most:
        raise _too_large(source, f" of {image.width:,} x {image.height:,} pixels", most)
    if 0 in image.size:
        raise DataError(f"{source} has no pixels.", "Give an image of a digit.")


def _check_scans(image: Image, path: Path) -> None:
    if image.format not in ("JPEG", "MPO"):
        return
    with open_regular(path) as file:
        scans = sum(block.count(b"\xff\xda") for block in iter(lambda: file.read(CHUNK), b""))
    if scans > MOST_SCANS:
        raise DataError(f"{path} is a JPEG of {scans} scans.", "Save it again, or as a PNG.")


def _too_large(source: str, size: str, most: int) -> DataError:
    return DataError(
        f"{source} is an image{size}, above the limit of {most // 10**6} million.",
        "Crop it to the digit or scale it down.",
    )


def _bytes(array: Any) -> Array:
    """Return a gray, RGB or RGBA array as uint8."""
    pixels = np.asarray(array)
    channels = pixels.shape[2:]
    if pixels.ndim == 3 and channels == (1,):
        pixels, channels = pixels[..., 0], ()
    if pixels.ndim not in (2, 3) or channels not in ((), (3,), (4,)) or pixels.size == 0:
        raise DataError(f"An array of shape {pixels.shape} is not an image.", f"Give {SHAPES}.")
    if pixels.dtype == np.uint8:
        return pixels
    if pixels.dtype == np.bool_:
        return np.asarray(pixels * np.uint8(255))
    good = pixels.dtype.kind == "f" and bool((pixels >= 0).all() and (pixels <= 1).all())
    if not good:
        raise DataError(
            f"The array is of {pixels.dtype}, and not floats from 0 to 1.",
            "Give uint8 from 0 to 255 or floats from 0 to 1.",
        )
    return np.asarray(np.rint(pixels * 255), np.uint8)


def _levels(gray: Array) -> Array:
    """Map more than 8 bits of gray to the range of uint8."""
    gray = np.nan_to_num(gray, posinf=0, neginf=0)
    low, high = float(gray.min()), float(gray.max())
    # Values up to 255 in a wider type keep their scale.
    scale = 255.0 if low >= 0 and high <= 255 else 65535.0
    if low < 0 or high > scale:
        return np.rint((gray - low) / (high - low) * 255).astype(np.uint8)
    return np.rint(gray / scale * 255).astype(np.uint8)
