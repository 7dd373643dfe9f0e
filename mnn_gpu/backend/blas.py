"""What NumPy's matrix library is like, and how many threads it uses, through threadpoolctl."""

from __future__ import annotations

from contextlib import AbstractContextManager
from functools import cache
from threading import Lock
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


class _SingleThreaded:
    """The first that enters sets the limit, the last that leaves lifts it."""

    def __init__(self) -> None:
        self.lock = Lock()
        self.inside = 0

    def __enter__(self) -> None:
        with self.lock:
            if self.inside == 0:
                self.limit = _controller().limit(limits=1, user_api="blas")
            self.inside += 1

    def __exit__(self, *_: object) -> None:
        with self.lock:
            self.inside -= 1
            if self.inside == 0:
                self.limit.restore_original_limits()


@cache
def single_threaded() -> AbstractContextManager[None]:
    """Keep every product to the thread that asks for it, in the whole process."""
    return _SingleThreaded()
