"""Closing the console window on Windows, or logging off: the program may finish its step first."""

from __future__ import annotations

import _thread
import time
from functools import cache
from importlib import import_module
from signal import Signals
from typing import Any

CLOSING = (2, 5, 6)
"""Events of the console: its window is closed, the user logs off, the system shuts down."""


@cache
def wait_on_close(number: Signals) -> Any:
    """Turn the closing of the console into a signal, and let the program end by itself.

    Without this, Windows ends the program as soon as the signal's handler has noted it. With it,
    the program has as long as Windows waits for any program: 5 seconds by default.

    Parameters
    ----------
    number : signal.Signals
        The signal to raise in the main thread.

    Returns
    -------
    callable
        The handler, which must be kept.
    """
    ctypes: Any = import_module("ctypes")

    def handle(event: int) -> bool:
        if event not in CLOSING:
            return False
        _thread.interrupt_main(number)
        while True:  # The system ends the program when this returns.
            time.sleep(1)

    handler = ctypes.WINFUNCTYPE(ctypes.c_int, ctypes.c_uint)(handle)
    ctypes.windll.kernel32.SetConsoleCtrlHandler(handler, True)
    return handler
