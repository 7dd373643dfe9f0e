"""Properties of NumPy's BLAS library and its number of threads, through threadpoolctl."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from functools import cache
from threading import Lock
from typing import Any

ACCELERATE = "VECLIB_MAXIMUM_THREADS"
"""The variable that limits the threads of Accelerate, which reads it at its start."""

SMALL_KERNELS = {"SkylakeX", "Cooperlake", "SapphireRapids"}
"""Processor types for which OpenBLAS multiplies small matrices without packing them."""


@cache
def _controller() -> Any:
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()


@cache
def has_small_kernels() -> bool:
    """Return whether products of up to a million multiplications are computed unpacked."""
    return any(library.get("architecture") in SMALL_KERNELS for library in _controller().info())


def threads_of_products() -> str:
    """Return how many threads NumPy's matrix products use, as text for a report.

    threadpoolctl knows OpenBLAS, MKL and BLIS. Accelerate, which NumPy uses on macOS, has no way
    to set the number: there `single_threaded` has no effect.
    """
    libraries = [library for library in _controller().info() if library["user_api"] == "blas"]
    counts = sorted({library["num_threads"] for library in libraries})
    if not counts:
        return f"chosen by NumPy's BLAS library, see {ACCELERATE}"
    return " to ".join(map(str, counts[:1] + counts[1:][-1:]))


class SharedLimit:
    """A limit on threads: the first user sets it, the last one to leave removes it.

    The number of BLAS threads is global to the process. If each thread set and restored it
    independently, the value at the end could be one that another thread had set.

    Parameters
    ----------
    limit : callable
        Sets the limit; returns a context manager that removes it.
    """

    def __init__(self, limit: Callable[[], AbstractContextManager[Any]]) -> None:
        self.limit = limit
        self.lock = Lock()
        self.inside = 0
        self.lifting = ExitStack()

    def __enter__(self) -> None:
        with self.lock:
            if self.inside == 0:
                self.lifting.enter_context(self.limit())
            self.inside += 1

    def __exit__(self, *_: object) -> None:
        with self.lock:
            self.inside -= 1
            if self.inside == 0:
                self.lifting.close()


class _OneThread(AbstractContextManager[None]):
    """One thread for each product; in about half the time of threadpoolctl's own limit."""

    def __enter__(self) -> None:
        self.before = [(library, library.num_threads) for library in _blas_libraries()]
        for library, _ in self.before:
            library.set_num_threads(1)

    def __exit__(self, *_: object) -> None:
        for library, threads in self.before:
            library.set_num_threads(threads)


@cache
def _blas_libraries() -> list[Any]:
    return list(_controller().select(user_api="blas").lib_controllers)


@cache
def single_threaded() -> AbstractContextManager[None]:
    """Compute every matrix product in the calling thread, in the whole process."""
    return SharedLimit(_OneThread)
