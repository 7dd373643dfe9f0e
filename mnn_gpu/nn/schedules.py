"""Learning-rate schedules: functions of the step number, computed on the host."""

from __future__ import annotations

from collections.abc import Callable
from math import cos, pi
from typing import TypeAlias

Schedule: TypeAlias = Callable[[int, int], float]
"""Takes the step, from 0, and the number of steps; returns a factor for the learning rate."""


def constant(step: int, steps: int) -> float:
    """Return 1: a constant learning rate."""
    return 1.0


def step_decay(step: int, steps: int) -> float:
    """Drop to a tenth after one third of the steps, and again after two thirds."""
    return 0.1 ** (3 * step // steps)


def linear(step: int, steps: int) -> float:
    """Decay linearly from 1 to 0."""
    return 1 - step / steps


def cosine(step: int, steps: int) -> float:
    """Decay from 1 to 0 along half a cosine (Loshchilov and Hutter 2017)."""
    return (1 + cos(pi * step / steps)) / 2


def one_cycle(step: int, steps: int) -> float:
    """Rise from 1/25 to 1 in 30% of the steps, then fall to 1/250,000, both along cosines.

    References
    ----------
    Smith, Topin: Super-Convergence, 2018; the values are those of torch's ``OneCycleLR``.
    """
    rise = 0.3 * steps - 1
    if step <= rise:
        return _along_cosine(1 / 25, 1.0, step / rise)
    return _along_cosine(1.0, 1 / 250_000, (step - rise) / max(steps - 1 - rise, 1))


def _along_cosine(start: float, end: float, fraction: float) -> float:
    return end + (start - end) * (1 + cos(pi * fraction)) / 2


def with_warmup(schedule: Schedule, fraction: float) -> Schedule:
    """Precede a schedule by a linear warm-up from 0 for a fraction of the steps."""

    def warmed(step: int, steps: int) -> float:
        rise = round(fraction * steps)
        if step < rise:
            return (step + 1) / (rise + 1)
        return schedule(step - rise, steps - rise)

    return warmed


SCHEDULES: dict[str, Schedule] = {
    "constant": constant,
    "step": step_decay,
    "linear": linear,
    "cosine": cosine,
    "one-cycle": one_cycle,
}
