"""The programs' first moment: Ctrl-C and SIGTERM are heard before anything else is imported."""

from __future__ import annotations

import os
import signal
from contextlib import suppress

from mnn_gpu.interrupts import SIGNALS, terminate

INTERRUPTED = 128 + signal.SIGINT


def main() -> int:
    """Run `mnn-gpu`; return the exit code."""
    return _started("main")


def train_main() -> int:
    """Run `train`; return the exit code."""
    return _started("train_main")


def _started(name: str) -> int:
    try:
        if signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
            signal.signal(signal.SIGTERM, terminate)
        from mnn_gpu.cli import main as programs

        code: int = getattr(programs, name)()
        return code
    except KeyboardInterrupt as stop:
        with suppress(OSError):
            os.write(2, b"Interrupted.\n")
        return getattr(stop, "exit_code", INTERRUPTED)
    finally:
        # From here on a signal ends the process without a traceback.
        for number in SIGNALS:
            if signal.getsignal(number) not in (signal.SIG_IGN, None):
                signal.signal(number, signal.SIG_DFL)
