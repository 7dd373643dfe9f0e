"""Checks of single values given by the user, with errors that state the valid values."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Collection
from typing import Any

from mnn_gpu.errors import UsageError

MOST = 2**63 - 1


def one_of(name: str, value: object, choices: Collection[str]) -> None:
    """Raise a UsageError if ``value`` is not one of the choices."""
    if not isinstance(value, str) or value not in choices:
        raise UsageError(f"{name} is {value!r}.", f"Give one of: {', '.join(choices)}.")


def several(value: Any) -> tuple[Any, ...]:
    """Return the values of a sequence as a tuple; a single value becomes a tuple of one."""
    if isinstance(value, str):
        return (value,)
    try:
        return tuple(value)
    except TypeError:
        return (value,)


def positive(name: str, value: object, such_as: float = 0.1) -> float:
    """Return a finite number above 0, or raise a UsageError with an example."""
    range_ = f"above 0, such as {such_as}"
    return number_in(name, value, range_, lambda number: 0 < number < math.inf)


def number_in(name: str, value: object, range_: str, fits: Callable[[float], bool]) -> float:
    """Return ``value`` as a float if it is in a range, given in words and as a function."""
    try:
        number = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        number = math.nan
    if isinstance(value, str | bool) or not fits(number):
        raise UsageError(f"{name} is {value!r}.", f"Give a number {range_}.")
    return number


def whole(name: str, value: object, least: int, most: int = MOST) -> int:
    """Return an integer in a range as an int, or raise a UsageError."""
    try:
        number = operator.index(value)  # type: ignore[arg-type]
    except TypeError:
        number = least - 1
    if isinstance(value, bool) or not least <= number <= most:
        raise UsageError(f"{name} is {value!r}.", f"Give a whole number from {least} to {most:,}.")
    return number
