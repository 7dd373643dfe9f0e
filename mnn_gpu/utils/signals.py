"""Handling of Ctrl-C, SIGTERM and Windows' Ctrl-Break between steps, not in the middle of one."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Sequence
from types import FrameType
from typing import Any

from mnn_gpu.utils.console_close import wait_on_close

BREAK: signal.Signals | None = getattr(signal, "SIGBREAK", None)
"""Ctrl-Break, and closing the console: Windows has no other signal that asks a program to end."""
SIGNALS = (signal.SIGINT, signal.SIGTERM, *([] if BREAK is None else [BREAK]))


class Terminated(KeyboardInterrupt):
    """SIGTERM or SIGBREAK as an exception, so that it is handled like Ctrl-C."""

    exit_code = 128 + signal.SIGTERM


def terminate(number: int, frame: FrameType | None) -> None:  # noqa: ARG001
    """Handle SIGTERM and SIGBREAK by raising `Terminated`."""
    stop = Terminated()
    stop.exit_code = 128 + number
    raise stop


def raise_on_signals() -> None:
    """Make the signals raise exceptions, unless the program ignores or handles them."""
    for number in SIGNALS:
        if signal.getsignal(number) is signal.SIG_DFL:
            handler = signal.default_int_handler if number == signal.SIGINT else terminate
            signal.signal(number, handler)
    if BREAK is not None:
        wait_on_close(BREAK)


def die_of_signals() -> None:
    """Let the system end this process on the signals, even within a library call."""
    for number in SIGNALS:
        if signal.getsignal(number) not in (signal.SIG_IGN, None):
            signal.signal(number, signal.SIG_DFL)


class FinishStep:
    """Context that only records the signals; a second one interrupts at once.

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
            signal.raise_signal(number)
