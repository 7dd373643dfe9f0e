"""Printing to a terminal, which obeys control characters."""

from __future__ import annotations

import re
import sys
from contextlib import suppress

CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


def spelled_out(text: str) -> str:
    """Return a text whose control characters, but for tabs and line ends, are spelled out."""
    return CONTROL.sub(lambda found: f"\\x{ord(found[0]):02x}", text)


def show(text: str) -> None:
    """Print a result; a terminal obeys nothing that a file is called."""
    print(spelled_out(text))


def say(text: str) -> None:
    """Tell a person something; results go to stdout, everything else here.

    A stderr that is closed or full is no reason to stop working. What a file is called or
    says may hold control characters, which a terminal would obey: they are spelled out.
    """
    text = spelled_out(text)
    with suppress(OSError, ValueError):
        if sys.stderr is not None:
            print(text, file=sys.stderr, flush=True)
