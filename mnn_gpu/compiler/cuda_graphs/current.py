"""The current GPU of a thread."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any, cast


def current(cupy: Any, index: int) -> AbstractContextManager[Any]:
    """Return the context in which GPU ``index`` is CuPy's current device.

    The previous device is restored afterwards, except in a thread that has not used a GPU yet.
    Since CUDA 12, setting GPU 0 would create a context there, which takes memory and fails if
    another process has exclusive use of GPU 0.
    """
    device = cupy.cuda.Device(index)
    if cupy.cuda.driver.ctxGetCurrent():
        return cast("AbstractContextManager[Any]", device)
    return _First(device)


class _First(AbstractContextManager[None]):
    """The context for a thread that has not used a GPU yet."""

    def __init__(self, device: Any) -> None:
        self.device = device

    def __enter__(self) -> None:
        self.device.use()

    def __exit__(self, *_: object) -> None:
        pass
