"""Matrix products of numbers that are rounded before, over any array library.

A GPU's tensor cores multiply float32 numbers several times as fast if these have fewer digits:
they round both operands and add the products up in float32. What that does to a training can
be seen anywhere: here the operands are rounded and then multiplied as always.

References
----------
Markidis et al.: NVIDIA Tensor Core Programmability, Performance & Precision, IPDPSW 2018.
Kalamkar et al.: A Study of BFLOAT16 for Deep Learning Training, 2019.
"""

from __future__ import annotations

from typing import Any, TypeAlias

Array: TypeAlias = Any

FULL = "full"
SIGNIFICANT_BITS = {"tf32": 11, "bf16": 8}
"""Of 24 that float32 has."""


def rounded(x: Array, bits: int) -> Array:
    """Return float32 numbers rounded to so many significant bits.

    To nearest; only just below a power of two, up, or to nearest with one bit less. By sums
    with a multiple that is a power of two, and so is exact: it does not matter whether a
    compiler makes one operation of product and sum.
    """
    multiple = x * 2.0 ** (24 - bits)
    return (x + multiple) - multiple


def low_precision_matmul(A: Array, B: Array, bits: int) -> Array:
    """Return ``A @ B`` of operands rounded to so many significant bits, added up in float32."""
    return rounded(A, bits) @ rounded(B, bits)
