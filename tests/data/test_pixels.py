"""Pixels: equal values give equal inputs, for any dtype, from files, arrays and streams."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mnn_gpu import (
    DataError,
    DataWarning,
    Model,
    Predictor,
    TrainingConfig,
    UsageError,
    evaluate,
    load_model,
    open_blocks,
    predict,
    save_model,
    train,
)
from mnn_gpu.data.convert import convert
from mnn_gpu.data.pixels import SCALES, checked_pixels, fitting_scale, found_scale, unit_pixels

CONFIG = TrainingConfig(hidden=(8,), learning_rate=0.5, iterations=20)
DTYPES: list[Any] = [np.uint8, np.int16, np.int64, np.float16, np.float32, np.float64]


# ---- validation ----------------------------------------------------------------------


@pytest.mark.parametrize("dtype", DTYPES)
def test_whole_numbers_up_to_255_become_uint8_from_any_dtype(dtype: Any) -> None:
    X = checked_pixels(np.array([[0, 128], [255, 3]], dtype), "X")
    assert X.dtype == np.uint8
    assert X.tolist() == [[0, 128], [255, 3]]


@pytest.mark.parametrize("dtype", [np.uint16, np.int32, np.float32])
def test_larger_whole_numbers_become_uint16(dtype: Any) -> None:
    X = checked_pixels(np.array([[0, 65_535]], dtype), "X")
    assert X.dtype == np.uint16


def test_booleans_are_whole_numbers_and_half_floats_become_single() -> None:
    assert checked_pixels(np.array([[False, True]]), "X").tolist() == [[0, 1]]
    assert checked_pixels(np.array([[0.5, 1]], np.float16), "X").dtype == np.float32


def test_fractions_are_kept_as_floats() -> None:
    X = checked_pixels(np.array([[[0.0, 0.25]], [[1.0, 0.5]]], np.float32), "X")
    assert X.shape == (2, 2)
    assert X.dtype == np.float32


class Sparse:
    def toarray(self) -> Any:
        raise AssertionError


class Tensor:
    requires_grad = True


@pytest.mark.parametrize(
    ("X", "message"),
    [
        (np.array([[0, 65_536]]), "row 1, pixel 1: 65536 is not a number from 0 to 65,535"),
        (np.array([[0, 1], [-1, 0]]), "row 2, pixel 0: -1"),
        (np.array([[0, 1], [-1, 0]], np.int8), "row 2, pixel 0: -1"),
        (np.array([[0.0, np.nan]]), "row 1, pixel 1: nan is not a number"),
        (np.array([[0.5, np.inf]], np.float16), "inf is not a number"),
        (np.array([["a", "b"]]), "not numbers"),
        (np.array([[1, None]], dtype=object), "row 1, pixel 1: None is not a number"),
        (pd.DataFrame({"p": [1, None]}, dtype="Int64"), "row 2, pixel 0: (<NA>|nan) is not a"),
        (pd.DataFrame({"p": [1, 2], "q": ["3", "x"]}), "row 1, pixel 1: '3' is not a number"),
        (np.zeros((0, 4)), r"shape \(0, 4\)"),
        (np.zeros((4, 0)), r"shape \(4, 0\)"),
        (np.zeros(4), r"shape \(4,\)"),
        (np.zeros((1, 2), complex), "not numbers"),
        (np.ma.masked_array([[1, 2]], np.array([[False, True]])), "masked"),
        ([[1, 2], [3]], "not an array"),
        (Sparse(), "sparse"),
        (Tensor(), "records gradients"),
    ],
)
def test_an_invalid_pixel_is_refused_with_row_and_column(X: Any, message: str) -> None:
    with pytest.raises(DataError, match=message) as caught:
        checked_pixels(X, "digits.npz")
    assert caught.value.cause.startswith("digits.npz")


@pytest.mark.parametrize("dtype", ["Int64", "UInt8", "Float32", "object", "int64[pyarrow]"])
def test_nullable_dtypes_and_objects_are_numbers(dtype: Any) -> None:
    X = np.random.default_rng(0).integers(0, 256, (40, 9))
    frame = pd.DataFrame(X).astype(dtype)
    model, _ = train(frame, np.arange(40) % 10, CONFIG)
    plain, _ = train(X, np.arange(40) % 10, CONFIG)
    np.testing.assert_array_equal(model.theta, plain.theta)
    np.testing.assert_array_equal(predict(model, frame), predict(model, X))


def test_columns_of_different_dtypes_are_numbers() -> None:
    frame = pd.DataFrame({"a": [True, False], "b": [7, 8], "c": [Decimal(5), Fraction(6)]})
    assert checked_pixels(frame, "X").tolist() == [[1, 7, 5], [0, 8, 6]]


def test_rows_of_different_lengths_are_refused_in_training() -> None:
    with pytest.raises(DataError, match="X is not an array"):
        train([[1], [1, 2]], [0, 1], CONFIG)


# ---- scale ---------------------------------------------------------------------------


@given(
    rows=st.lists(st.lists(st.integers(0, 65_535), min_size=3, max_size=3), min_size=1),
    dtype=st.sampled_from([np.int64, np.uint16, np.float32, np.float64]),
)
def test_equal_values_are_equal_inputs(rows: list[list[int]], dtype: Any) -> None:
    one, other = (checked_pixels(np.array(rows, kind), "X") for kind in (np.int32, dtype))
    scale = found_scale([one], None)
    assert scale in SCALES
    assert found_scale([other], None) == scale >= np.max(rows)
    for X in (one, other):
        unit = unit_pixels(X, scale)
        unit = unit / np.float32(255) if unit.dtype == np.uint8 else unit
        np.testing.assert_allclose(unit, np.array(rows) / scale, rtol=1e-6)


@pytest.mark.parametrize("most", [1, 16, 255, 4095, 65_535])
def test_a_network_learns_the_same_from_any_dtype(images: dict[str, Any], most: int) -> None:
    values = np.round(images["X"] / 255.0 * most)
    thetas = []
    for dtype in (np.uint16, np.int64, np.float64):
        model, _ = train(values.astype(dtype), images["y"], CONFIG)
        assert model.pixel_max == next(scale for scale in SCALES if most <= scale)
        thetas.append(model.theta)
    np.testing.assert_array_equal(thetas[0], thetas[1])
    np.testing.assert_array_equal(thetas[0], thetas[2])


def test_zeros_and_ones_equal_booleans(images: dict[str, Any]) -> None:
    bits = images["X"] > 127
    one, other = (train(X, images["y"], CONFIG)[0] for X in (bits, bits.astype(np.uint8)))
    np.testing.assert_array_equal(one.theta, other.theta)
    np.testing.assert_array_equal(predict(one, bits), predict(other, bits.astype(float)))


def test_the_held_out_rows_count_too(images: dict[str, Any]) -> None:
    bits = (images["X"] > 127).astype(np.uint8)
    model, _ = train(bits, images["y"], CONFIG, validation=(bits * 16, images["y"]))
    assert model.pixel_max == 16


def test_the_scale_can_be_given(images: dict[str, Any]) -> None:
    model, _ = train(images["X"], images["y"], TrainingConfig(iterations=2, pixel_max=1000))
    assert model.pixel_max == 1000
    with pytest.raises(DataError, match=r"pixel is 2.., and pixel_max is 16"):
        train(images["X"], images["y"], TrainingConfig(iterations=2, pixel_max=16))
    with pytest.raises(UsageError, match="pixel_max"):
        TrainingConfig(pixel_max=0)


def test_a_model_file_keeps_the_scale(images: dict[str, Any], tmp_path: Path) -> None:
    model, _ = train(images["X"] // 16, images["y"], CONFIG)
    save_model(tmp_path / "m.safetensors", model)
    assert load_model(tmp_path / "m.safetensors").pixel_max == model.pixel_max == 16


# ---- prediction ----------------------------------------------------------------------


def trained(X: Any, y: Any) -> Model:
    return train(X, y, CONFIG)[0]


def test_small_pixels_of_one_image_have_the_model_s_scale(images: dict[str, Any]) -> None:
    model = trained(images["X"] // 16, images["y"])
    P = Predictor(model).predict_proba(images["X"] // 16)
    for i, X in enumerate(images["X"] // 16):
        np.testing.assert_allclose(Predictor(model).predict_proba(X[None])[0], P[i], rtol=1e-5)


@pytest.mark.parametrize("form", ["array", "blocks"])
def test_pixels_of_another_scale_raise_a_warning(
    images: dict[str, Any], tmp_path: Path, form: str
) -> None:
    model = trained(images["X"] // 16, images["y"])
    np.savez(tmp_path / "x.npz", x_train=images["X"], y_train=images["y"])
    X: Any = images["X"]
    if form == "blocks":
        convert(tmp_path / "x.npz", tmp_path / "x")
        X = open_blocks(tmp_path / "x")
    with pytest.warns(DataWarning, match=r"reach 2.., .* trained on pixels from 0 to 16"):
        labels = predict(model, X)
    np.testing.assert_array_equal(labels, predict(model, images["X"] / 255))
    with pytest.warns(DataWarning):
        score = evaluate(model, X, None if form == "blocks" else images["y"])
    assert score.accuracy == (labels == images["y"]).mean()


def test_fractions_are_never_scaled(images: dict[str, Any]) -> None:
    model = trained(images["X"], images["y"])
    np.testing.assert_array_equal(
        predict(model, images["X"]), predict(model, images["X"] / np.float32(255))
    )


@pytest.mark.parametrize(
    ("X", "pixel_max", "used", "warns"),
    [
        ([[0, 200]], 255, 255, False),
        ([[0, 0]], 255, 255, False),
        ([[0, 1]], 255, 1, True),
        ([[0, 12]], 255, 255, True),
        ([[0, 12]], 16, 16, False),
        ([[0, 3]], 16, 16, False),
        ([[0, 200]], 1, 255, True),
        ([[0, 200]], 65_535, 65_535, True),
        ([[0, 300]], 255, 65_535, True),
        ([[0, 0.5]], 255, 1, False),
        ([[0, 1.5]], 16, 16, False),
    ],
)
@pytest.mark.filterwarnings("default::mnn_gpu.DataWarning")
def test_the_scale_that_fits(X: Any, pixel_max: float, used: float, warns: bool) -> None:
    pixels = checked_pixels(np.array(X), "X")
    with pytest.warns(DataWarning) if warns else _nothing():
        assert fitting_scale(pixels, pixel_max, "X") == used


def _nothing() -> Any:
    import contextlib

    return contextlib.nullcontext()


@pytest.mark.parametrize("shape", [(12,), (3, 4)])
def test_a_single_image_is_refused_with_the_cure(images: dict[str, Any], shape: Any) -> None:
    model = trained(images["X"], images["y"])
    with pytest.raises(DataError) as caught:
        predict(model, images["X"][0].reshape(shape))
    assert "X[None]" in caught.value.cure


# ---- data on disk --------------------------------------------------------------------


@pytest.mark.parametrize("most", [1, 16, 255])
def test_streamed_data_have_the_scale_of_all_their_rows(
    images: dict[str, Any], tmp_path: Path, most: int
) -> None:
    X = (images["X"] // (256 // (most + 1))).astype(np.uint8)
    X[:20] //= 2  # The first rows have smaller pixels.
    np.savez(tmp_path / "x.npz", x_train=X, y_train=images["y"])
    convert(tmp_path / "x.npz", tmp_path / "x", rows_per_file=10)
    blocks = open_blocks(tmp_path / "x")
    config = TrainingConfig(hidden=(8,), batch_size=10, epochs=2)
    model, history = train(blocks, None, config, validation=(X[:5], images["y"][:5]))
    assert model.pixel_max == most
    assert evaluate(model, X, images["y"]).loss == pytest.approx(history.training.loss)
