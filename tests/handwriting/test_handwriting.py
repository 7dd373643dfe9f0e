"""Images of handwriting, preprocessed as in MNIST."""

from __future__ import annotations

import io
import struct
import subprocess
import sys
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageDraw, ImageFilter, ImageOps

import mnn_gpu
from mnn_gpu import DataError, prepare_digit
from mnn_gpu.data import bundled_mnist
from tests.support.handwriting.strokes import inked, written

Pixels = npt.NDArray[Any]


def drawn(
    digit: int = 3,
    way: str = "round",
    size: tuple[int, int] = (200, 160),
    place: tuple[float, float] = (60, 30),
    height: float = 90,
) -> Pixels:
    """Draw a digit: the amount of ink per pixel, 0 to 1."""
    rng = np.random.default_rng(5)
    return inked(written(digit, way, rng), size, place, height, height / 9, rng)


def colored(coverage: Pixels, ink: Any, paper: Any) -> Pixels:
    mixed = coverage[..., None] * np.array(ink) + (1 - coverage[..., None]) * np.array(paper)
    return np.asarray(np.rint(mixed), np.uint8)


def on_paper(coverage: Pixels) -> Image.Image:
    return Image.fromarray(colored(coverage, [20, 20, 30], [250, 250, 245]))


def apart(one: Pixels, other: Pixels) -> float:
    """Return the difference of two preprocessed digits, relative to their ink.

    A shift by one pixel does not count: a center of mass may be between two pixels.
    """
    shifts = [(row, column) for row in (-1, 0, 1) for column in (-1, 0, 1)]
    moved = np.stack([np.roll(one.astype(float), shift, (0, 1)) for shift in shifts])
    difference = np.abs(moved - other).sum(axis=(1, 2)).min()
    return float(difference / min(one.sum(), other.sum()))


def read(image: Image.Image) -> int:
    """Return the record model's prediction."""
    return int(mnn_gpu.predict(mnn_gpu.load_model("record"), prepare_digit(image)[None])[0])


PLAIN = prepare_digit(on_paper(drawn()))


# ---- result --------------------------------------------------------------------------


@settings(max_examples=12, deadline=None)
@given(
    st.sampled_from([(0, "oval"), (1, "bar"), (4, "open"), (5, "two strokes"), (7, "european")]),
    st.floats(10, 110),
    st.floats(5, 60),
    st.floats(30, 90),
)
def test_a_digit_fills_20_pixels_and_its_mass_is_in_the_middle_of_28(
    kind: tuple[int, str], x: float, y: float, height: float
) -> None:
    digit = prepare_digit(on_paper(drawn(*kind, place=(x, y), height=height)))
    assert digit.shape == (28, 28)
    assert digit.dtype == np.uint8
    assert digit.max() == 255
    rows, columns = (np.flatnonzero((digit > 20).any(axis=axis)) for axis in (1, 0))
    longer = max(np.ptp(rows), np.ptp(columns)) + 1
    assert 18 <= longer <= 20
    middle = (np.indices((28, 28)) * digit).sum(axis=(1, 2)) / digit.sum()
    np.testing.assert_allclose(middle, 14, atol=0.75)


def test_proportions_are_kept() -> None:
    bar = np.zeros((100, 100))
    bar[20:70, 40:50] = 1
    digit = prepare_digit(on_paper(bar)) > 127
    assert [int(digit.any(axis=axis).sum()) for axis in (1, 0)] == [20, 4]


def test_a_digit_of_mnist_is_returned_unchanged() -> None:
    X = bundled_mnist("test").X[:40].reshape(-1, 28, 28)
    # Not `apart`: every pixel must stay at its position.
    changed = [np.abs(prepare_digit(x).astype(int) - x).sum() / x.sum() for x in X]
    assert np.mean(np.array(changed) < 0.1) > 0.9


# ---- invariances ---------------------------------------------------------------------


@pytest.mark.parametrize("place", [(10, 20), (100, 65), (31.5, 40.25)])
def test_the_position_makes_no_difference(place: tuple[float, float]) -> None:
    assert apart(prepare_digit(on_paper(drawn(place=place))), PLAIN) < 0.15


@pytest.mark.parametrize("factor", [0.4, 2, 6])
def test_its_size_makes_no_difference(factor: float) -> None:
    size = int(200 * factor), int(160 * factor)
    large = drawn(size=size, place=(60 * factor, 30 * factor), height=90 * factor)
    assert apart(prepare_digit(on_paper(large)), PLAIN) < 0.25


@pytest.mark.parametrize(
    ("ink", "paper"),
    [
        ([255, 255, 255], [0, 0, 0]),
        ([240, 240, 230], [30, 60, 45]),
        ([30, 60, 200], [255, 255, 255]),
        ([220, 30, 30], [255, 250, 190]),
        ([0, 130, 50], [240, 205, 215]),
        ([245, 130, 0], [255, 255, 255]),
        ([255, 0, 0], [0, 130, 130]),
        ([90, 90, 95], [150, 150, 150]),
    ],
)
def test_the_colors_of_ink_and_paper_make_no_difference(ink: list[int], paper: list[int]) -> None:
    assert apart(prepare_digit(colored(drawn(), ink, paper)), PLAIN) < 0.15


def test_uneven_light_makes_no_difference() -> None:
    light = np.linspace(0.35, 1, 200)[None, :, None]
    dim = np.asarray(on_paper(drawn())) / 255 * light
    assert apart(prepare_digit(dim), PLAIN) < 0.15


def test_specks_and_a_dark_edge_make_no_difference() -> None:
    coverage = drawn()
    coverage[5:7, 5:8] = coverage[150, 180] = 1
    coverage[:, :6] = 1
    assert apart(prepare_digit(on_paper(coverage)), PLAIN) < 0.15


def test_a_digit_that_touches_the_border_is_kept() -> None:
    coverage = drawn()
    rows, columns = (np.flatnonzero((coverage > 0.5).any(axis=axis)) for axis in (1, 0))
    tight = coverage[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    assert apart(prepare_digit(on_paper(tight)), PLAIN) < 0.2


def ringed(coverage: Pixels, shape: str, *box: int, width: int = 3) -> Pixels:
    """Draw a shape of ImageDraw around a digit."""
    image = Image.fromarray(np.rint(coverage * 255).astype(np.uint8))
    getattr(ImageDraw.Draw(image), shape)(box, outline=255, width=width)
    return np.asarray(image) / 255


@pytest.mark.parametrize("shape", ["rectangle", "ellipse"])
@pytest.mark.parametrize("box", [(35, 5, 155, 145), (20, 3, 180, 156), (-3, -3, 190, 150)])
@pytest.mark.parametrize("width", [1, 5])
@pytest.mark.parametrize("invert", [False, True])
def test_a_box_or_circle_around_it_makes_no_difference(
    shape: str, box: tuple[int, ...], width: int, invert: bool
) -> None:
    image = on_paper(ringed(drawn(), shape, *box, width=width))
    digit = prepare_digit(ImageOps.invert(image) if invert else image)
    assert apart(digit, PLAIN) < 0.15


def test_other_fields_of_a_form_make_no_difference() -> None:
    form = np.zeros((160, 600))
    form[:, 200:400] = drawn()
    for left in (0, 200, 400):
        form = ringed(form, "rectangle", left + 4, 4, left + 196, 156)
    assert apart(prepare_digit(on_paper(form)), PLAIN) < 0.15


@pytest.mark.parametrize("sides", ["left bottom right", "bottom", "top", "top bottom"])
def test_lines_around_it_make_no_difference(sides: str) -> None:
    coverage = drawn()
    for side in sides.split():
        rows = {"top": slice(8, 11), "bottom": slice(148, 151)}.get(side, slice(8, 151))
        columns = {"left": slice(15, 18), "right": slice(183, 186)}.get(side, slice(15, 186))
        coverage[rows, columns] = 1
    assert apart(prepare_digit(on_paper(coverage)), PLAIN) < 0.15


def test_ruled_lines_make_no_difference_to_a_thin_digit_between_them() -> None:
    rng = np.random.default_rng(5)
    thin = inked(written(3, "round", rng), (400, 400), (180, 130), 120, 4, rng)
    plain = prepare_digit(on_paper(thin))
    thin[60::200] = thin[61::200] = thin[62::200] = 1
    thin[:, 50:53] = 1
    assert apart(prepare_digit(on_paper(thin)), plain) < 0.15


@pytest.mark.parametrize(
    "margins", [(40, 40, 40, 40), (5, 5, 5, 5), (200, 90, 150, 30), (0, 80, 0, 0), (60, 0, 60, 0)]
)
@pytest.mark.parametrize("table", [[60, 45, 30], [120, 120, 120], [10, 10, 10]])
def test_the_table_around_a_sheet_makes_no_difference(
    margins: tuple[int, int, int, int], table: list[int]
) -> None:
    sheet = np.asarray(on_paper(drawn()))
    top, bottom, left, right = margins
    page = np.empty((160 + top + bottom, 200 + left + right, 3), np.uint8)
    page[:] = table
    page[top : top + 160, left : left + 200] = sheet
    assert apart(prepare_digit(page), PLAIN) < 0.2
    assert apart(prepare_digit(ringed_sheet(page, margins)), PLAIN) < 0.2


def ringed_sheet(page: Pixels, margins: tuple[int, int, int, int]) -> Pixels:
    """Draw a printed box on the sheet."""
    top, _, left, _ = margins
    image = Image.fromarray(page)
    ImageDraw.Draw(image).rectangle((left + 25, top + 10, left + 170, top + 140), outline="black")
    return np.asarray(image)


@pytest.mark.parametrize("sides", ["bottom", "top bottom", "left bottom right top"])
@pytest.mark.parametrize("width", [1, 4])
def test_a_digit_may_touch_its_box(sides: str, width: int) -> None:
    coverage = drawn()
    (top, bottom), (left, right) = (
        np.flatnonzero((coverage > 0.5).any(axis=axis))[[0, -1]] for axis in (1, 0)
    )
    box = [
        int(at) if side in sides else far
        for side, at, far in (
            ("left", left, 30),
            ("top", top, 8),
            ("right", right, 160),
            ("bottom", bottom, 140),
        )
    ]
    boxed = on_paper(ringed(coverage, "rectangle", *box, width=width))
    assert read(boxed) == 3


@pytest.mark.parametrize("width", [4, 12, 20])
def test_a_square_zero_is_not_a_box(width: int) -> None:
    zero = ringed(np.zeros((160, 200)), "rectangle", 60, 20, 130, 140, width=width)
    assert read(on_paper(zero)) == 0


@pytest.mark.parametrize("colors", [([0, 0, 0], [255] * 3), ([230, 230, 230], [20, 50, 20])])
@pytest.mark.parametrize("kind", [(0, "oval"), (3, "round"), (4, "open"), (8, "two rings")])
def test_a_digit_may_fill_the_image(colors: Any, kind: tuple[int, str]) -> None:
    coverage = drawn(*kind)
    rows, columns = (np.flatnonzero((coverage > 0.5).any(axis=axis)) for axis in (1, 0))
    tight = coverage[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    plain = prepare_digit(on_paper(coverage))
    assert apart(prepare_digit(colored(tight, *colors)), plain) < 0.2
    bold = np.asarray(Image.fromarray(tight).filter(ImageFilter.MaxFilter(9)))
    assert prepare_digit(colored(bold, *colors)).max() == 255


@settings(max_examples=40, deadline=None)
@given(
    st.integers(0, 2**32),
    st.tuples(st.integers(1, 60), st.integers(1, 60)),
    st.integers(0, 8),
)
def test_any_image_becomes_a_digit_or_is_refused(
    seed: int, size: tuple[int, int], rectangles: int
) -> None:
    rng = np.random.default_rng(seed)
    pixels = np.full(size, rng.integers(256))
    for _ in range(rectangles):
        (top, bottom), (left, right) = (np.sort(rng.integers(0, side + 1, 2)) for side in size)
        pixels[top:bottom, left:right] = rng.integers(256)
    try:
        digit = prepare_digit(pixels.astype(np.uint8))
    except DataError as error:
        assert "no drawing" in error.cause
    else:
        assert (digit.shape, digit.max()) == ((28, 28), 255)


@pytest.mark.parametrize(
    ("kind", "mode", "least"),
    [
        ("PNG", "RGB", 0.0),
        ("PNG", "L", 0.02),
        ("PNG", "P", 0.15),
        ("PNG", "1", 0.3),
        ("PNG", "I;16", 0.02),
        ("BMP", "RGB", 0.0),
        ("GIF", "P", 0.15),
        ("TIFF", "F", 0.02),
        ("TIFF", "RGB", 0.0),
        ("JPEG", "RGB", 0.15),
        ("JPEG", "CMYK", 0.15),
        ("WEBP", "RGB", 0.15),
    ],
)
def test_the_file_format_makes_no_difference(
    tmp_path: Path, kind: str, mode: str, least: float
) -> None:
    image = on_paper(drawn())
    if mode == "I;16":
        image = Image.fromarray(np.asarray(image.convert("L")).astype(np.uint16) * 257)
    else:
        image = image.convert(mode, dither=Image.Dither.NONE)
    image.save(tmp_path / "digit", kind)
    assert apart(prepare_digit(tmp_path / "digit"), PLAIN) <= least


def test_uint8_and_float_arrays_and_paths_as_text_are_accepted(tmp_path: Path) -> None:
    pixels = np.asarray(on_paper(drawn()))
    on_paper(drawn()).save(tmp_path / "a.png")
    assert (prepare_digit(str(tmp_path / "a.png")) == PLAIN).all()
    assert (prepare_digit(pixels) == PLAIN).all()
    assert (prepare_digit(pixels / 255) == PLAIN).all()
    gray = drawn()
    assert apart(prepare_digit(gray), PLAIN) < 0.05
    assert (prepare_digit(gray) == prepare_digit(gray[..., None])).all()
    assert apart(prepare_digit(gray > 0.5), PLAIN) < 0.3


@pytest.mark.parametrize("ink", [0, 40, 255])
@pytest.mark.parametrize("behind", [0, 255])
def test_transparent_pixels_are_paper(ink: int, behind: int) -> None:
    coverage = drawn()
    pixels = np.full((*coverage.shape, 4), behind)
    pixels[..., :3] = np.where(coverage[..., None] > 0, ink, behind)
    pixels[..., 3] = coverage * 255
    assert apart(prepare_digit(pixels.astype(np.uint8)), PLAIN) < 0.1


def test_a_photograph_is_rotated_as_recorded_by_the_camera(tmp_path: Path) -> None:
    image = on_paper(drawn())
    exif = image.getexif()
    exif[0x0112] = 6
    image.transpose(Image.Transpose.ROTATE_90).save(tmp_path / "a.png", exif=exif)
    assert (prepare_digit(tmp_path / "a.png") == PLAIN).all()


def test_the_input_image_is_not_modified() -> None:
    image = on_paper(drawn(size=(1000, 900)))
    before = image.copy()
    prepare_digit(image)
    assert image == before


def test_a_very_thin_line_remains_visible() -> None:
    rng = np.random.default_rng(5)
    thin = inked(written(3, "round", rng), (600, 600), (200, 60), 450, 1.2, rng)
    assert (prepare_digit(on_paper(thin)) > 128).sum() > 0.5 * (PLAIN > 128).sum()


# ---- refused input -------------------------------------------------------------------


@pytest.mark.parametrize("gray", [0, 128, 255])
def test_an_empty_image_is_refused(gray: int) -> None:
    with pytest.raises(DataError, match="the array contains no drawing"):
        prepare_digit(np.full((50, 60), gray, np.uint8))


def test_empty_paper_in_uneven_light_is_refused() -> None:
    rng = np.random.default_rng(1)
    light = np.linspace(0.6, 0.95, 300)[None, :] * np.linspace(0.9, 1, 200)[:, None]
    with pytest.raises(DataError, match="contains no drawing"):
        prepare_digit(np.clip(light + rng.normal(0, 0.02, (200, 300)), 0, 1))


def test_an_image_of_one_pixel_is_refused() -> None:
    with pytest.raises(DataError, match="contains no drawing"):
        prepare_digit(np.zeros((1, 1)))


def bomb(width: int, height: int) -> bytes:
    """Return a small PNG that declares a large size."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return (
            struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        )

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    data = zlib.compress(bytes(1000))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data)


@pytest.mark.parametrize("side", [7072, 12000, 60000])
def test_a_huge_image_is_refused_before_it_is_decoded(tmp_path: Path, side: int) -> None:
    (tmp_path / "bomb.png").write_bytes(bomb(side, side))
    with pytest.raises(DataError, match="above the limit of 50 million"):
        prepare_digit(tmp_path / "bomb.png")


def damaged(kind: str) -> bytes:
    buffer = io.BytesIO()
    on_paper(drawn()).save(buffer, kind)
    return buffer.getvalue()[: len(buffer.getvalue()) // 2]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (damaged("PNG"), "cannot be decoded"),
        (damaged("JPEG"), "cannot be decoded"),
        (damaged("WEBP"), "(cannot be decoded|is not an image)"),
        (b"", "is not an image"),
        (b"label,pixel0\n1,2\n", "is not an image"),
    ],
)
def test_other_and_damaged_files_are_refused(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "a.png").write_bytes(content)
    with pytest.raises(DataError, match=rf"a\.png {message}"):
        prepare_digit(tmp_path / "a.png")


def test_a_missing_file_and_a_folder_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="There is no file"):
        prepare_digit(tmp_path / "none.png")
    with pytest.raises(DataError, match="is a folder"):
        prepare_digit(tmp_path)


@pytest.mark.parametrize(
    "array",
    [
        np.zeros(784),
        np.zeros((28, 28, 2)),
        np.zeros((1, 28, 28, 3)),
        np.zeros((0, 5)),
        np.full((28, 28), 3.0),
        np.full((28, 28), np.nan),
        np.zeros((28, 28), np.int64),
        np.array([["a", "b"]]),
    ],
)
def test_an_array_that_is_not_an_image_is_refused(array: Pixels) -> None:
    with pytest.raises(DataError):
        prepare_digit(array)


def test_without_pillow_the_extra_is_named() -> None:
    code = (
        "import sys; sys.modules['PIL'] = None\n"
        "import mnn_gpu\n"
        "try: mnn_gpu.prepare_digit('a.png')\n"
        "except mnn_gpu.UsageError as error: print(error)"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert 'pip install "mnn_gpu[images]"' in result.stdout
