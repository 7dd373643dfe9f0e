"""Which GPU is the current one of a thread."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any, cast


def current(cupy: Any, index: int) -> AbstractContextManager[Any]:
    """Return the context in which GPU ``index`` is CuPy's current device.

    Afterwards the one before is, but a thread that has used no GPU yet keeps this one. Since
    CUDA 12, to set GPU 0 back would make a context there, which takes memory and fails where
    another process has GPU 0 for itself.
    """
    device = cupy.cuda.Device(index)
    if cupy.cuda.driver.ctxGetCurrent():
        return cast("AbstractContextManager[Any]", device)
    return _First(device)


class _First(AbstractContextManager[None]):
    """The context of a thread that has used no GPU yet."""

    def __init__(self, device: Any) -> None:
        self.device = device

    def __enter__(self) -> None:
        self.device.use()

    def __exit__(self, *_: object) -> None:
        pass
