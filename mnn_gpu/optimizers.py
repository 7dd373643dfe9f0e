"""The updates on one flat parameter vector, and the schedules of the learning rate.

An update is elementwise over vectors of one length, so a backend may fuse it or work
through it in blocks. It names no array library. What depends on the step alone (the
learning rate, Adam's bias corrections) is plain arithmetic on Python floats, done on the
host ahead of time, so that the device reads two numbers a step and no counter.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import cos, pi, sqrt
from typing import Any, Protocol, TypeAlias

from array_api_compat import array_namespace

Array: TypeAlias = Any
Schedule: TypeAlias = Callable[[int, int], float]
"""Takes the step, from 0, and the number of steps; returns a factor of the learning rate."""


class Optimizer(Protocol):
    """One way to follow the gradient.

    Attributes
    ----------
    slots : int
        How many vectors, as long as theta and 0 at first, it keeps between steps.
    """

    @property
    def slots(self) -> int: ...

    def scalars(self, t: int, learning_rate: float) -> tuple[float, float]:
        """Return the ``rate`` and ``epsilon`` of step ``t``, counted from 1."""

    def update(
        self, theta: Array, gradient: Array, rate: Array, epsilon: Array, *slots: Array
    ) -> tuple[Array, ...]:
        """Return ``theta`` and the slots after one step, elementwise."""


@dataclass(frozen=True)
class GradientDescent:
    """``theta := theta - alpha g``."""

    slots: int = 0

    def scalars(self, t: int, learning_rate: float) -> tuple[float, float]:
        return learning_rate, 0.0

    def update(
        self,
        theta: Array,
        gradient: Array,
        rate: Array,
        epsilon: Array,
        *slots: Array,
    ) -> tuple[Array, ...]:
        return (theta - rate * gradient,)


@dataclass(frozen=True)
class Momentum:
    """``v := mu v + g``, ``theta := theta - alpha v`` (Polyak 1964; torch's and optax's form)."""

    momentum: float = 0.9
    slots: int = 1

    def scalars(self, t: int, learning_rate: float) -> tuple[float, float]:
        return learning_rate, 0.0

    def update(
        self,
        theta: Array,
        gradient: Array,
        rate: Array,
        epsilon: Array,
        *slots: Array,
    ) -> tuple[Array, ...]:
        (v,) = slots
        v = self.momentum * v + gradient
        return theta - rate * v, v


@dataclass(frozen=True)
class Adam:
    """Adam, on sums that leave the factors ``1 - beta`` of its means to the scalars.

    ``m := beta1 m + g``, ``v := beta2 v + g^2``,
    ``theta := theta - alpha_t m / (sqrt(v) + epsilon_t)``, a pass over memory less for
    each mean. The paper's algorithm 1 has ``(1 - beta1) m`` and ``(1 - beta2) v`` for its
    means and divides them by ``1 - beta1^t`` and ``1 - beta2^t``, so with
    ``c = (1 - beta2^t) / (1 - beta2)`` it is the same for
    ``alpha_t = alpha sqrt(c) (1 - beta1) / (1 - beta1^t)`` and
    ``epsilon_t = epsilon sqrt(c)``.

    References
    ----------
    Kingma, Ba: Adam: A Method for Stochastic Optimization, ICLR 2015.
    """

    beta1: float = 0.9
    beta2: float = 0.999
    epsilon: float = 1e-8
    slots: int = 2

    def scalars(self, t: int, learning_rate: float) -> tuple[float, float]:
        of_m = (1 - self.beta1) / (1 - self.beta1**t)
        of_v = sqrt((1 - self.beta2**t) / (1 - self.beta2))
        return learning_rate * of_m * of_v, self.epsilon * of_v

    def update(
        self, theta: Array, gradient: Array, rate: Array, epsilon: Array, *slots: Array
    ) -> tuple[Array, ...]:
        xp = array_namespace(theta)
        m, v = slots
        m = self.beta1 * m + gradient
        v = self.beta2 * v + gradient * gradient
        return theta - rate * (m / (xp.sqrt(v) + epsilon)), m, v


def constant(step: int, steps: int) -> float:
    """Return 1: the learning rate stays as it is."""
    return 1.0


def linear(step: int, steps: int) -> float:
    """Fall from 1 to 0 in a straight line."""
    return 1 - step / steps


def cosine(step: int, steps: int) -> float:
    """Fall from 1 to 0 along half a cosine (Loshchilov and Hutter 2017)."""
    return (1 + cos(pi * step / steps)) / 2


OPTIMIZERS: dict[str, Optimizer] = {
    "sgd": GradientDescent(),
    "momentum": Momentum(),
    "adam": Adam(),
}
SCHEDULES: dict[str, Schedule] = {"constant": constant, "linear": linear, "cosine": cosine}


def step_scalars(
    optimizer: Optimizer, schedule: Schedule, learning_rate: float, steps: Sequence[int], total: int
) -> list[tuple[float, float]]:
    """Return ``rate`` and ``epsilon`` of these steps, counted from 0, of ``total``."""
    return [optimizer.scalars(step + 1, learning_rate * schedule(step, total)) for step in steps]
