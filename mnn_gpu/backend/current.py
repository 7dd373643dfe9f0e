"""Which GPU is the current one of a thread."""

from __future__ import annotations

from contextlib import AbstractContextManager
from types import TracebackType
from typing import Any


class Current(AbstractContextManager[None]):
    """Within it the GPU ``index`` is CuPy's current device; afterwards the one before is.

    A thread that has used no GPU yet keeps this one: since CUDA 12, to set GPU 0 back would make
    a context there, which takes memory and fails where another process has GPU 0 for itself.
    """

    def __init__(self, cupy: Any, index: int) -> None:
        self.driver = cupy.cuda.driver
        self.device = cupy.cuda.Device(index)

    def __enter__(self) -> None:
        if not self.driver.ctxGetCurrent():
            self.device.use()
        self.device.__enter__()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.device.__exit__(kind, error, traceback)
