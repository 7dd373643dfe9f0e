"""Ctrl-C and SIGTERM between two steps instead of in the middle of one."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Sequence
from types import FrameType
from typing import Any

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class FinishStep:
    """While active, Ctrl-C and SIGTERM are only noted; a second one interrupts at once.

    Outside the main thread, where Python hears no signals, and where a signal is ignored
    or, SIGTERM, handled by the program, it does nothing.

    Parameters
    ----------
    signals : sequence of int
        Those that wait.

    Attributes
    ----------
    requested : int or None
        The number of the signal that came.
    """

    def __init__(self, signals: Sequence[int] = SIGNALS) -> None:
        self.signals = signals
        self.requested: int | None = None
        self.before: dict[int, Any] = {}

    def __enter__(self) -> FinishStep:
        if threading.current_thread() is threading.main_thread():
            for number in self.signals:
                before = signal.getsignal(number)
                if before is signal.SIG_DFL or (
                    number == signal.SIGINT and before not in (signal.SIG_IGN, None)
                ):
                    self.before[number] = signal.signal(number, self._note)
        return self

    def __exit__(self, *_: object) -> None:
        for number, before in self.before.items():
            signal.signal(number, before)

    def _note(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002
        if self.requested is None:
            self.requested = number
        elif number == signal.SIGINT:
            raise KeyboardInterrupt
        else:
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)
