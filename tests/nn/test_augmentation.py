"""Deformation of images: invariants, displacements, and the smoothness of the elastic field."""

from __future__ import annotations

import math
from typing import Any

import array_api_compat.numpy as xnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mnn_gpu import UsageError
from mnn_gpu.nn.augmentation import (
    AFFINE_FIELDS,
    UNIFORMS,
    Augmentation,
    deform,
    deformation_basis,
    displacements,
)
from tests.support.libraries import Library

STILL = Augmentation(rotation=0, shear=0, scaling=0, shift=0, alpha=0)
SHAPES = [(28, 28), (5, 9), (2, 2), (12, 3)]


def deformed(
    lib: Library, images: Any, augmentation: Augmentation, uniforms: Any, normals: Any = None
) -> Any:
    """Deform images (m, height, width) with the given random numbers."""
    m, *shape = images.shape
    basis = deformation_basis(augmentation, tuple(shape), xnp)
    waves = len(basis) - AFFINE_FIELDS
    normals = np.zeros((m, 2, waves)) if normals is None else normals(m, waves)
    drawn = displacements(
        np.broadcast_to(np.asarray(uniforms, float), (m, UNIFORMS)),
        normals,
        augmentation,
        tuple(shape),
        np.ones(m),
    )
    X = deform(
        lib.asarray(images.reshape(m, -1)), lib.asarray(drawn), lib.asarray(basis), tuple(shape)
    )
    assert lib.owns(X)
    return lib.to_numpy(X).reshape(images.shape)


def bilinear(image: Any, y: Any, x: Any) -> Any:
    """Sample an image at (y, x) with repeated edges, as a sum of weighted pixels."""

    def weights(places: Any, side: int) -> Any:
        inside = np.clip(places, 0, side - 1)
        return np.maximum(0, 1 - np.abs(inside[..., None] - np.arange(side)))

    height, width = image.shape
    return np.einsum("abi,abj,ij->ab", weights(y, height), weights(x, width), image)


@pytest.mark.parametrize("shape", SHAPES)
def test_without_displacement_images_stay_as_they_are(lib: Library, shape: tuple[int, int]) -> None:
    images = np.random.default_rng(0).random((3, *shape))
    np.testing.assert_allclose(deformed(lib, images, STILL, 0), images, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("shape", SHAPES)
def test_sampling_is_bilinear_with_repeated_edges(lib: Library, shape: tuple[int, int]) -> None:
    rng = np.random.default_rng(1)
    images = rng.random((2, *shape))
    rows, columns = rng.uniform(-2, shape[0] + 1, shape), rng.uniform(-2, shape[1] + 1, shape)
    # A basis of two fields: the source row and the source column of each pixel.
    basis = np.stack([rows.reshape(-1), columns.reshape(-1)])
    warp = np.broadcast_to(np.eye(2), (2, 2, 2))
    arguments = (lib.asarray(images.reshape(2, -1)), lib.asarray(warp), lib.asarray(basis))
    actual = lib.to_numpy(deform(*arguments, shape)).reshape(images.shape)
    for image, expected in zip(actual, images, strict=True):
        np.testing.assert_allclose(image, bilinear(expected, rows, columns), atol=1e-12)


def test_a_shift_moves_by_whole_pixels_exactly(lib: Library) -> None:
    images = np.random.default_rng(2).random((1, 6, 7))
    augmentation = Augmentation(rotation=0, shear=0, scaling=0, shift=2, alpha=0)
    moved = deformed(lib, images, augmentation, [0, 0, 0, 0, 1, -1])
    np.testing.assert_allclose(moved[0, :4, 2:], images[0, 2:, :5], atol=1e-12)
    np.testing.assert_allclose(moved[0, 5], moved[0, 4], atol=1e-12)  # The repeated edge.


def test_a_rotation_by_90_degrees_equals_numpys(lib: Library) -> None:
    images = np.random.default_rng(3).random((2, 9, 9))
    augmentation = Augmentation(rotation=90, shear=0, scaling=0, shift=0, alpha=0)
    turned = deformed(lib, images, augmentation, [1, 0, 0, 0, 0, 0])
    np.testing.assert_allclose(turned, np.rot90(images, -1, axes=(1, 2)), atol=1e-12)


def test_a_shear_shifts_rows_by_its_tangent(lib: Library) -> None:
    image = np.tile(np.arange(21.0), (21, 1))[None]
    augmentation = Augmentation(rotation=0, shear=20, scaling=0, shift=0, alpha=0)
    slanted = deformed(lib, image, augmentation, [0, 1, 0, 0, 0, 0])[0]
    expected = 10 + (np.arange(21) - 10) * math.tan(math.radians(20))
    np.testing.assert_allclose(slanted[:, 10], expected, atol=1e-12)


def test_scaling_is_about_the_center_and_separate_for_each_axis(lib: Library) -> None:
    ramp = np.tile(np.arange(21.0), (21, 1))
    augmentation = Augmentation(rotation=0, shear=0, scaling=0.2, shift=0, alpha=0)
    wide = deformed(lib, ramp[None], augmentation, [0, 0, 0, 1, 0, 0])[0]
    expected = np.clip(10 + (np.arange(21) - 10) * 1.2, 0, 20)
    np.testing.assert_allclose(wide, np.tile(expected, (21, 1)), atol=1e-12)
    tall = deformed(lib, ramp.T[None], augmentation, [0, 0, -1, 0, 0, 0])[0]
    np.testing.assert_allclose(tall[:, 3], 10 + (np.arange(21) - 10) * 0.8, atol=1e-12)


@given(
    height=st.integers(2, 9),
    width=st.integers(2, 9),
    m=st.integers(1, 4),
    seed=st.integers(0, 999),
    dtype=st.sampled_from(["float32", "float64"]),
)
@settings(deadline=None, max_examples=50)
def test_deformation_preserves_shape_dtype_and_range(
    height: int, width: int, m: int, seed: int, dtype: str
) -> None:
    rng = np.random.default_rng(seed)
    augmentation = Augmentation(shift=30, alpha=100, sigma=2)
    basis = deformation_basis(augmentation, (height, width), xnp).astype(dtype)
    X = rng.random((m, height * width)).astype(dtype)
    uniforms = rng.uniform(-1, 1, (m, UNIFORMS)).astype(dtype)
    normals = rng.standard_normal((m, 2, len(basis) - AFFINE_FIELDS)).astype(dtype)
    drawn = displacements(uniforms, normals, augmentation, (height, width), np.ones(m, dtype))
    assert drawn.dtype == dtype
    out = deform(X, drawn, basis, (height, width))
    assert out.shape == X.shape
    assert out.dtype == X.dtype
    tolerance = 1e-5
    assert (out >= X.min(axis=1, keepdims=True) - tolerance).all()
    assert (out <= X.max(axis=1, keepdims=True) + tolerance).all()


def test_each_image_has_its_own_displacements(lib: Library) -> None:
    rng = np.random.default_rng(4)
    augmentation, images = Augmentation(), rng.random((3, 8, 8))
    uniforms = rng.uniform(-1, 1, (3, UNIFORMS))
    normals = {3: rng.standard_normal((3, 2, 100))}
    together = deformed(lib, images, augmentation, uniforms, lambda m, n: normals[m][:, :, :n])
    for i in range(3):
        alone = deformed(
            lib,
            images[i : i + 1],
            augmentation,
            uniforms[i : i + 1],
            lambda _, n, i=i: normals[3][i : i + 1, :, :n],
        )
        np.testing.assert_allclose(alone[0], together[i], atol=1e-12)


def test_some_labels_are_rotated_half_as_far() -> None:
    uniforms, normals = np.ones((2, UNIFORMS)), np.zeros((2, 2, 0))
    augmentation = Augmentation(rotation=30, shear=0, scaling=0, shift=0, alpha=0)
    drawn = displacements(uniforms, normals, augmentation, (28, 28), np.array([1.0, 0.5]))
    angles = np.degrees(np.arctan2(drawn[:, 1, 1], drawn[:, 0, 1]))
    np.testing.assert_allclose(angles, [30, 15])


# ---- the elastic field -----------------------------------------------------------------


def smoothing(length: int, margin: int, sigma: float) -> Any:
    """Return the matrix that smooths noise on a longer axis to one of this length."""
    noise = np.arange(-margin, length + margin)
    kernel = np.exp(-((np.arange(length)[:, None] - noise) ** 2) / (2 * sigma**2))
    return kernel / (sigma * math.sqrt(2 * math.pi))


@pytest.mark.parametrize(("shape", "sigma"), [((28, 28), 5.5), ((10, 6), 2.0), ((16, 40), 4.0)])
def test_the_fields_covariance_is_that_of_gaussian_smoothed_noise(
    shape: tuple[int, int], sigma: float
) -> None:
    alpha = 38.0
    # Simard: noise between -1 and 1, with variance 1/3, convolved with a Gaussian; no borders.
    rows, columns = (smoothing(length, 60, sigma) for length in shape)
    expected = alpha**2 / 3 * np.kron(rows @ rows.T, columns @ columns.T)
    augmentation = Augmentation(alpha=alpha, sigma=sigma)
    whole = deformation_basis(augmentation, shape, xnp, captured=1)[AFFINE_FIELDS:]
    np.testing.assert_allclose(whole.T @ whole, expected, atol=1e-9 * expected.max())
    few = deformation_basis(augmentation, shape, xnp)[AFFINE_FIELDS:]
    assert np.trace(few.T @ few) == pytest.approx(np.trace(expected), rel=1e-3)
    assert np.abs(few.T @ few - expected).max() < 0.01 * expected.max()


def test_the_field_on_an_image_has_low_rank() -> None:
    assert len(deformation_basis(Augmentation(), (28, 28), xnp)) - AFFINE_FIELDS == 26


def test_random_fields_have_the_variance_of_smoothed_noise() -> None:
    augmentation = Augmentation(rotation=0, shear=0, scaling=0, shift=0)
    basis = deformation_basis(augmentation, (28, 28), xnp)
    normals = np.random.default_rng(5).standard_normal((4000, 2, len(basis) - AFFINE_FIELDS))
    drawn = displacements(
        np.zeros((4000, UNIFORMS)), normals, augmentation, (28, 28), np.ones(4000)
    )
    rows = (drawn[:, 0, :] @ basis).reshape(-1, 28, 28) - np.arange(28)[:, None]
    assert rows[:, 14, 14].std() == pytest.approx(38 / math.sqrt(12 * math.pi) / 5.5, rel=0.05)
    for d in (3, 8):
        correlation = np.corrcoef(rows[:, 14, 10], rows[:, 14, 10 + d])[0, 1]
        assert correlation == pytest.approx(math.exp(-(d**2) / (4 * 5.5**2)), abs=0.05)


def test_the_basis_does_not_depend_on_an_eigenvectors_sign() -> None:
    class Turned:
        """NumPy with eigenvectors of the opposite sign."""

        def __getattr__(self, name: str) -> Any:
            return getattr(xnp, name)

        class linalg:  # noqa: N801
            @staticmethod
            def eigh(matrix: Any) -> Any:
                values, vectors = np.linalg.eigh(matrix)
                return values, -vectors

    one, other = (deformation_basis(Augmentation(), (9, 9), xp) for xp in (xnp, Turned()))
    np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize(
    "wrong",
    [
        {"rotation": -1},
        {"rotation": 400},
        {"shear": 90},
        {"scaling": 1},
        {"shift": float("nan")},
        {"alpha": "much"},
        {"sigma": 0},
        {"sigma": None},
        {"half_turned": "17"},
        {"half_turned": (1.5,)},
        {"half_turned": -7},
        {"sigma": 0.5},
    ],
)
def test_invalid_augmentations_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(UsageError) as caught:
        Augmentation(**wrong)
    assert caught.value.cure
