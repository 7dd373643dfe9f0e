"""How long a rank waits for the others before it terminates the job."""

from __future__ import annotations

import math
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager

from mnn_gpu.errors import LaunchError

VARIABLE = "MNN_RANK_TIMEOUT"
DEFAULT = 600.0
"""Seconds. A rank may be reading data, writing a checkpoint or compiling kernels."""


def timeout() -> float:
    """Return the number of seconds; infinity if the variable is 0.

    Raises
    ------
    LaunchError
        If the variable is not a number of seconds.
    """
    given = os.environ.get(VARIABLE) or DEFAULT
    try:
        seconds = float(given)
    except ValueError:
        seconds = math.nan
    if not seconds >= 0:
        raise LaunchError(f"{VARIABLE} is {given!r}.", "Set seconds, such as 600, or 0 for ever.")
    return seconds or math.inf


@contextmanager
def kill_after(seconds: float) -> Iterator[None]:
    """Terminate this process (SIGALRM) if the block takes longer.

    For calls to the MPI library during which no Python code can run, in any thread. Has no
    effect in a program with its own SIGALRM handler.
    """
    usable = hasattr(signal, "setitimer") and signal.getsignal(signal.SIGALRM) == signal.SIG_DFL
    if not usable or math.isinf(seconds):
        yield
        return
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


def timeout_message(why: str, number: int | None) -> tuple[str, int]:
    """Return message and exit code when the time is over, or a signal of a number interrupted."""
    if number is not None:
        return why, 128 + number
    text = (
        f"error: {why}\ncure: Check the other ranks; {VARIABLE} sets the seconds to wait, "
        "0 for ever."
    )
    return text, LaunchError.exit_code
