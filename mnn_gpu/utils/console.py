"""Printing to a terminal, with control characters escaped."""

from __future__ import annotations

import re
import sys
from contextlib import suppress

CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


def escape_control_characters(text: str) -> str:
    """Return a text with control characters escaped, except tabs and line breaks."""
    return CONTROL.sub(lambda found: f"\\x{ord(found[0]):02x}", text)


def show(text: str) -> None:
    """Print a result to stdout, with control characters escaped."""
    print(escape_control_characters(text))


def say(text: str) -> None:
    """Print a message to stderr; stdout is for results only.

    Errors of a closed or full stderr are ignored. File names and contents may hold control
    characters, which a terminal would obey: they are escaped.
    """
    text = escape_control_characters(text)
    with suppress(OSError, ValueError):
        if sys.stderr is not None:
            print(text, file=sys.stderr, flush=True)
