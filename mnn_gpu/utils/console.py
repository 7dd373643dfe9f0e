"""Printing results to stdout and messages to stderr, with control characters escaped."""

from __future__ import annotations

import errno
import os
import re
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from mnn_gpu.errors import StdoutError

CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
STDOUT = 1


def escape_control_characters(text: str) -> str:
    """Return a text with control characters escaped, except tabs and line breaks."""
    return CONTROL.sub(lambda found: f"\\x{ord(found[0]):02x}", text)


def show(text: str, end: str = "\n") -> None:
    """Print a result to stdout, with control characters escaped.

    Raises
    ------
    StdoutError
    """
    with stdout_errors():
        print(escape_control_characters(text), end=end)


def flush_stdout() -> None:
    """Write what is buffered; without a stdout there is nothing to write.

    Raises
    ------
    StdoutError
    """
    if sys.stdout is not None:
        with stdout_errors():
            sys.stdout.flush()


@contextmanager
def stdout_errors() -> Iterator[None]:
    """Turn an OSError from writing to stdout into a StdoutError, to tell it from others."""
    try:
        yield
    except OSError as error:
        raise StdoutError(
            f"The result cannot be printed ({error.strerror or error}).",
            "Check where stdout goes.",
            is_closed=_is_closed_pipe(error),
        ) from error


def _is_closed_pipe(error: OSError) -> bool:
    if error.errno != errno.EINVAL:
        return isinstance(error, BrokenPipeError)
    # So Windows reports a pipe whose reader has ended.
    with suppress(OSError):
        return stat.S_ISFIFO(os.fstat(STDOUT).st_mode)
    return False


def finish_stdout() -> None:
    """Write what is buffered, or discard it: at exit, Python would report the failure itself."""
    try:
        flush_stdout()
    except StdoutError:
        with suppress(OSError):  # It has no file.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def say(text: str) -> None:
    """Print a message to stderr; stdout is for results only.

    Errors of a closed or full stderr are ignored. File names and contents may hold control
    characters, which a terminal would obey: they are escaped.
    """
    text = escape_control_characters(text)
    with suppress(OSError, ValueError):
        if sys.stderr is not None:
            print(text, file=sys.stderr, flush=True)
