"""How long a rank waits for the others before it ends the job."""

from __future__ import annotations

import math
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager

from mnn_gpu.errors import LaunchError

VARIABLE = "MNN_RANK_TIMEOUT"
DEFAULT = 600.0
"""Seconds. A rank may be reading its data, writing a checkpoint or compiling its kernels."""


def patience() -> float:
    """Return the number of seconds; infinite if the variable is 0.

    Raises
    ------
    LaunchError
        If the variable is no number of seconds.
    """
    given = os.environ.get(VARIABLE) or DEFAULT
    try:
        seconds = float(given)
    except ValueError:
        seconds = math.nan
    if not seconds >= 0:
        raise LaunchError(f"{VARIABLE} is {given!r}.", "Give seconds, such as 600, or 0 for ever.")
    return seconds or math.inf


@contextmanager
def killed_after(seconds: float) -> Iterator[None]:
    """Let the system kill this process (SIGALRM) if something takes longer.

    For calls to MPI's library during which no Python code can run, in any thread. A program
    with its own handler of SIGALRM is left alone.
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


def last_words(why: str, number: int | None) -> tuple[str, int]:
    """Return what to say when the patience is over, and the exit code.

    Parameters
    ----------
    why : str
    number : int or None
        Of the signal that interrupts.
    """
    if number is not None:
        return why, 128 + number
    text = (
        f"error: {why}\ncure: Find out what the other ranks do; {VARIABLE} sets the seconds to "
        "wait, 0 for ever."
    )
    return text, LaunchError.exit_code
