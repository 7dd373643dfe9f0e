"""Start of the programs: handlers for Ctrl-C and SIGTERM are installed before other imports."""

from __future__ import annotations

import os
import signal
from contextlib import suppress

from mnn_gpu.distributed.launcher import launched
from mnn_gpu.utils.signals import die_of_signals, raise_on_signals

INTERRUPTED = 128 + signal.SIGINT


def main() -> int:
    """Run `mnn-gpu`; return the exit code."""
    return _started("main")


def train_main() -> int:
    """Run `train`; return the exit code."""
    return _started("train_main")


def _started(name: str) -> int:
    try:
        if launched() is None:
            raise_on_signals()
        else:
            # Until MPI has started, a launcher ends the job only if a rank is killed by a signal.
            die_of_signals()
        from mnn_gpu.cli import main as programs

        code: int = getattr(programs, name)()
        return code
    except KeyboardInterrupt as stop:
        with suppress(OSError):
            os.write(2, b"Interrupted.\n")
        return getattr(stop, "exit_code", INTERRUPTED)
    finally:
        # From here on, a signal ends the process without a traceback.
        die_of_signals()
