"""Handling of Ctrl-C and SIGTERM between steps rather than in the middle of one."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Sequence
from types import FrameType
from typing import Any

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Terminated(KeyboardInterrupt):
    """SIGTERM as an exception, so that it is handled like Ctrl-C."""

    exit_code = 128 + signal.SIGTERM


def terminate(number: int, frame: FrameType | None) -> None:  # noqa: ARG001
    """Handle SIGTERM by raising `Terminated`."""
    raise Terminated


def raise_on_signals() -> None:
    """Make Ctrl-C and SIGTERM raise exceptions, unless the program ignores or handles them."""
    for number, handler in zip(SIGNALS, (signal.default_int_handler, terminate), strict=True):
        if signal.getsignal(number) is signal.SIG_DFL:
            signal.signal(number, handler)


def die_of_signals() -> None:
    """Let the system end this process on Ctrl-C and SIGTERM, even within a library call."""
    for number in SIGNALS:
        if signal.getsignal(number) not in (signal.SIG_IGN, None):
            signal.signal(number, signal.SIG_DFL)


class FinishStep:
    """Context that only records Ctrl-C and SIGTERM; a second signal interrupts at once.

    It does nothing outside the main thread, where Python receives no signals, for signals
    that are ignored, or if another program has installed a SIGTERM handler.

    Parameters
    ----------
    signals : sequence of int
        The signals to record.
    on_first : callable, optional
        Called with the number of the first signal, in the signal handler.

    Attributes
    ----------
    requested : int or None
        The number of the first signal received.
    """

    def __init__(
        self,
        signals: Sequence[int] = SIGNALS,
        on_first: Callable[[int], None] | None = None,
    ) -> None:
        self.signals = signals
        self.on_first = on_first
        self.requested: int | None = None
        self.before: dict[int, Any] = {}

    def __enter__(self) -> FinishStep:
        if threading.current_thread() is threading.main_thread():
            for number in self.signals:
                before = signal.getsignal(number)
                if before in (signal.SIG_DFL, terminate) or (
                    number == signal.SIGINT and before not in (signal.SIG_IGN, None)
                ):
                    self.before[number] = signal.signal(number, self._note)
        return self

    def __exit__(self, *_: object) -> None:
        for number, before in self.before.items():
            signal.signal(number, before)

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self.requested is None:
            self.requested = number
            if self.on_first is not None:
                self.on_first(number)
        elif number == signal.SIGINT:
            raise KeyboardInterrupt
        elif self.before[number] is terminate:
            terminate(number, frame)
        else:
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)
