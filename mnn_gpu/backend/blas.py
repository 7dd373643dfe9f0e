"""What NumPy's matrix library is like, and how many threads it uses, through threadpoolctl."""

from __future__ import annotations

from contextlib import AbstractContextManager
from functools import cache
from typing import Any

SMALL_KERNELS = {"SkylakeX", "Cooperlake", "SapphireRapids"}
"""Kinds of processor for which OpenBLAS multiplies small matrices without packing them."""


@cache
def _controller() -> Any:
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()


@cache
def has_small_kernels() -> bool:
    """Return whether products of up to a million multiplications are done unpacked."""
    return any(library.get("architecture") in SMALL_KERNELS for library in _controller().info())


def single_threaded() -> AbstractContextManager[Any]:
    """Keep every product to the thread that asks for it, in the whole process."""
    context: AbstractContextManager[Any] = _controller().limit(limits=1, user_api="blas")
    return context
