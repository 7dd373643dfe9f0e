"""Reasons of errors of the system, with what Windows' own texts leave out."""

from __future__ import annotations

from typing import TypeGuard

IN_USE = (32, 33)
DENIED = 5
NOT_FOUND = (2, 3, 206)
LONGEST_PATH = 259
"""Characters of a path on Windows, unless long paths are enabled there."""


READ_CURE = "Check its permissions, the disk and the network."


def is_of_system(error: BaseException | None) -> TypeGuard[OSError]:
    """Return whether the system refused an operation; libraries raise OSErrors for damage too."""
    return isinstance(error, OSError) and error.errno is not None


def reason_of(error: OSError) -> str:
    """Return why a file cannot be used."""
    number = getattr(error, "winerror", None)
    length = len(str(error.filename or ""))
    if number in IN_USE:
        return "another program has it open"
    if number == DENIED:
        return "access is denied; it is not permitted, or another program has it open"
    if number in NOT_FOUND and length > LONGEST_PATH:
        return f"its path has {length} characters, of which Windows takes {LONGEST_PATH}"
    return error.strerror or str(error) or type(error).__name__
