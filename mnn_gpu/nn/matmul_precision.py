"""Matrix products with rounded operands, for any array library.

Tensor cores multiply float32 numbers several times faster with fewer significant bits: they
round both operands and accumulate the products in float32. The effect on training can be
measured on any device: here the operands are rounded and then multiplied as usual.

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
"""Of the 24 significant bits of float32."""


def rounded(x: Array, bits: int) -> Array:
    """Return float32 numbers rounded to ``bits`` significant bits.

    Rounds to nearest. Just below a power of two it rounds up, or to nearest with one bit less.
    Implemented by adding and subtracting a power-of-two multiple, which is exact. So it does
    not matter whether a compiler fuses the product and the sum.
    """
    multiple = x * 2.0 ** (24 - bits)
    return (x + multiple) - multiple


def low_precision_matmul(A: Array, B: Array, bits: int) -> Array:
    """Return ``A @ B`` with operands rounded to ``bits`` significant bits, summed in float32."""
    return rounded(A, bits) @ rounded(B, bits)
