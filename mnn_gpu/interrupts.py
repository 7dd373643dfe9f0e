"""Ctrl-C between two steps instead of in the middle of one."""

from __future__ import annotations

import signal
import threading
from types import FrameType, TracebackType
from typing import Any


class FinishStep:
    """While active, Ctrl-C waits for `check`; a second one interrupts at once.

    Outside the main thread, where Python hears no signals, and where Ctrl-C is ignored, it
    does nothing.
    """

    def __init__(self) -> None:
        self.requested = False
        self.before: Any = None

    def __enter__(self) -> FinishStep:
        if threading.current_thread() is threading.main_thread():
            before = signal.getsignal(signal.SIGINT)
            if before is not signal.SIG_IGN:
                self.before = signal.signal(signal.SIGINT, self._note)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self.before is not None:
            signal.signal(signal.SIGINT, self.before)

    def _note(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002
        if self.requested:
            raise KeyboardInterrupt
        self.requested = True

    def check(self) -> None:
        """Raise the KeyboardInterrupt that was held back, if there was one."""
        if self.requested:
            raise KeyboardInterrupt
