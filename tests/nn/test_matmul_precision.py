"""Matrix products with rounded operands: the rounding, and its effect on training."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mnn_gpu import TrainingConfig, train
from mnn_gpu.nn.matmul_precision import SIGNIFICANT_BITS, low_precision_matmul, rounded
from tests.support.libraries import Library

BITS = sorted(SIGNIFICANT_BITS.values())
NUMBERS = st.floats(-(2.0**100), 2.0**100, width=32).filter(lambda x: x == 0 or abs(x) > 2**-100)


def significant_bits(x: Any) -> int:
    """Return the number of significant bits of a float32 number, with its leading 1."""
    mantissa = int(np.float32(x).view(np.uint32)) & 0x7FFFFF
    return 24 - ((mantissa & -mantissa).bit_length() - 1 if mantissa else 23)


@pytest.mark.parametrize("bits", BITS)
@given(number=NUMBERS)
def test_numbers_are_rounded_to_the_given_bits(bits: int, number: float) -> None:
    x = np.float32(number)
    short = rounded(x, bits)
    assert short.dtype == np.float32
    assert significant_bits(short) <= bits
    assert abs(float(short) - float(x)) <= abs(float(x)) * 2.0 ** (1 - bits)
    assert rounded(short, bits) == short
    assert rounded(-x, bits) == -short


@pytest.mark.parametrize("bits", BITS)
def test_rounding_is_to_nearest_in_almost_all_cases(bits: int) -> None:
    x = np.random.default_rng(0).standard_normal(100_000).astype(np.float32)
    off = np.abs(rounded(x, bits).astype(float) - x)
    # Half of the last bit.
    nearest = off <= 2.0 ** (np.floor(np.log2(np.abs(x))) - bits)
    assert nearest.mean() > 1 - 2.0 ** (1 - bits)


@pytest.mark.parametrize("bits", BITS)
def test_all_libraries_round_identically(lib: Library, bits: int) -> None:
    x = np.random.default_rng(0).standard_normal((5, 7)).astype(np.float32)
    there = rounded(lib.asarray(x), bits)
    assert lib.owns(there)
    np.testing.assert_array_equal(lib.to_numpy(there), rounded(x, bits))


def test_a_product_uses_rounded_operands() -> None:
    rng = np.random.default_rng(0)
    A, B = (rng.standard_normal((50, 50)).astype(np.float32) for _ in range(2))
    exact = A.astype(float) @ B
    off = {bits: np.abs(low_precision_matmul(A, B, bits) - exact).max() for bits in BITS}
    assert 2**-8 < off[8] < 2**-3
    assert 2**-12 < off[11] < 2**-6


@pytest.mark.parametrize("shards", [None, 4])
@pytest.mark.parametrize("shard_rows", [None, 7])
def test_low_precision_changes_a_step_a_little_and_still_learns(
    images: dict[str, Any], shards: int | None, shard_rows: int | None
) -> None:
    def theta(precision: Any, iterations: int = 1) -> Any:
        config = TrainingConfig(
            hidden=(8,),
            batch_size=20,
            iterations=iterations,
            shards=shards,
            shard_rows=shard_rows,
            matmul_precision=precision,
        )
        model, history = train(images["X"], images["y"], config)
        assert model.info["recipe"]["matmul_precision"] == precision
        assert iterations == 1 or history.training.accuracy == 1
        return model.theta

    full, tf32, bf16 = theta("full"), theta("tf32"), theta("bf16")
    one, other = (np.linalg.norm(short - full) / np.linalg.norm(full) for short in (tf32, bf16))
    assert 0 < 4 * one < other < 1e-3
    theta("bf16", 40)
