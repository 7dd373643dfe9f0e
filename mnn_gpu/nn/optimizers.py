"""The updates of one flat parameter vector.

An update is elementwise over vectors of one length, so a backend may fuse it or work
through it in blocks. It names no array library. What depends on the step alone (the
learning rate, Adam's bias corrections) is plain arithmetic on Python floats, done on the
host ahead of time, so that the device reads a few numbers a step and no counter.

`GradientDescent`, `Momentum` and `Adam` follow the gradient; `WeightDecay` and `EMA` are
put around one of them, in any combination.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt
from typing import Any, Protocol, TypeAlias

from array_api_compat import array_namespace

from mnn_gpu.nn.schedules import Schedule

Array: TypeAlias = Any
Arrays: TypeAlias = Sequence[Array]
Updated: TypeAlias = tuple[Array, tuple[Array, ...]]


class Optimizer(Protocol):
    """One way to follow the gradient.

    Attributes
    ----------
    state_size : int
        Number of vectors, as long as theta and 0 at first, that it keeps between steps.
    """

    @property
    def state_size(self) -> int: ...

    def scalars(self, t: int, learning_rate: float) -> tuple[float, ...]:
        """Return the numbers that step ``t``, counted from 1, needs."""

    def update(
        self, theta: Array, gradient: Array, is_weight: Array, scalars: Arrays, state: Arrays
    ) -> Updated:
        """Return ``theta`` and the state after one step, elementwise.

        ``is_weight`` is 1 where theta holds a weight and 0 where it holds a bias; only
        `WeightDecay` asks for it, others may be given None.
        """


# ---- following the gradient ------------------------------------------------------------


@dataclass(frozen=True)
class GradientDescent:
    """``theta := theta - alpha g``."""

    state_size: int = 0

    def scalars(self, t: int, learning_rate: float) -> tuple[float, ...]:
        return (learning_rate,)

    def update(
        self, theta: Array, gradient: Array, is_weight: Array, scalars: Arrays, state: Arrays
    ) -> Updated:
        (rate,) = scalars
        return theta - rate * gradient, ()


@dataclass(frozen=True)
class Momentum:
    """``v := mu v + g``, ``theta := theta - alpha v`` (Polyak 1964; torch's and optax's form).

    With ``nesterov`` the step is ``alpha (g + mu v)``, the gradient's as if it were taken
    where the momentum leads (Nesterov 1983, in the form of Sutskever et al. 2013).
    """

    momentum: float = 0.9
    nesterov: bool = False
    state_size: int = 1

    def scalars(self, t: int, learning_rate: float) -> tuple[float, ...]:
        return (learning_rate,)

    def update(
        self, theta: Array, gradient: Array, is_weight: Array, scalars: Arrays, state: Arrays
    ) -> Updated:
        (rate,), (v,) = scalars, state
        v = self.momentum * v + gradient
        ahead = gradient + self.momentum * v if self.nesterov else v
        return theta - rate * ahead, (v,)


@dataclass(frozen=True)
class SGDMomentum:
    """``v := mu v - alpha g``, ``theta := theta + v``: momentum in which alpha is remembered.

    The form of Sutskever et al. (2013), and scikit-learn's; the same as `Momentum` as long
    as alpha stays. With ``nesterov`` the step is ``mu v - alpha g`` with the new ``v``.
    """

    momentum: float = 0.9
    nesterov: bool = False
    state_size: int = 1

    def scalars(self, t: int, learning_rate: float) -> tuple[float, ...]:
        return (learning_rate,)

    def update(
        self, theta: Array, gradient: Array, is_weight: Array, scalars: Arrays, state: Arrays
    ) -> Updated:
        (rate,), (v,) = scalars, state
        v = self.momentum * v - rate * gradient
        return theta + (self.momentum * v - rate * gradient if self.nesterov else v), (v,)


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

    With ``epsilon_hat`` it is the paper's other form, at the end of section 2, in which
    epsilon is added before the correction of ``v``: ``epsilon_t = epsilon / sqrt(1 - beta2)``
    (TensorFlow's and scikit-learn's).

    References
    ----------
    Kingma, Ba: Adam: A Method for Stochastic Optimization, ICLR 2015.
    """

    beta1: float = 0.9
    beta2: float = 0.999
    epsilon: float = 1e-8
    epsilon_hat: bool = False
    state_size: int = 2

    def scalars(self, t: int, learning_rate: float) -> tuple[float, ...]:
        of_m = (1 - self.beta1) / (1 - self.beta1**t)
        of_v = sqrt((1 - self.beta2**t) / (1 - self.beta2))
        of_epsilon = 1 / sqrt(1 - self.beta2) if self.epsilon_hat else of_v
        return learning_rate * of_m * of_v, self.epsilon * of_epsilon

    def update(
        self, theta: Array, gradient: Array, is_weight: Array, scalars: Arrays, state: Arrays
    ) -> Updated:
        xp = array_namespace(theta)
        (rate, epsilon), (m, v) = scalars, state
        m = self.beta1 * m + gradient
        v = self.beta2 * v + gradient * gradient
        return theta - rate * (m / (xp.sqrt(v) + epsilon)), (m, v)


# ---- around another optimizer ----------------------------------------------------------


@dataclass(frozen=True)
class WeightDecay:
    """Pull the weights towards 0, and leave the biases alone.

    Decoupled, as in AdamW: ``theta := theta - alpha decay theta`` beside the optimizer's
    own step. Otherwise the gradient of ``decay / 2 |theta|^2`` is added to the gradient,
    as in torch's ``SGD`` and ``Adam``; for plain gradient descent both are the same.

    References
    ----------
    Loshchilov, Hutter: Decoupled Weight Decay Regularization, ICLR 2019.
    """

    inner: Optimizer
    decay: float
    decoupled: bool = False

    @property
    def state_size(self) -> int:
        return self.inner.state_size

    def scalars(self, t: int, learning_rate: float) -> tuple[float, ...]:
        return learning_rate * self.decay, *self.inner.scalars(t, learning_rate)

    def update(
        self, theta: Array, gradient: Array, is_weight: Array, scalars: Arrays, state: Arrays
    ) -> Updated:
        shrinkage, *of_inner = scalars
        weights = is_weight * theta
        if not self.decoupled:
            gradient = gradient + self.decay * weights
        after, state = self.inner.update(theta, gradient, is_weight, of_inner, state)
        return after - shrinkage * weights if self.decoupled else after, tuple(state)


@dataclass(frozen=True)
class EMA:
    """Keep an exponential moving average of theta, in the last vector of the state.

    ``average := average + (1 - d_t) (theta - average)``, ``d_t = min(decay, (t - 1) /
    (t + 9))``: short at first, so that the beginning is soon forgotten.

    References
    ----------
    Polyak, Juditsky: Acceleration of Stochastic Approximation by Averaging, 1992.
    """

    inner: Optimizer
    decay: float

    @property
    def state_size(self) -> int:
        return self.inner.state_size + 1

    def scalars(self, t: int, learning_rate: float) -> tuple[float, ...]:
        weight = 1 - min(self.decay, (t - 1) / (t + 9))
        return weight, *self.inner.scalars(t, learning_rate)

    def update(
        self, theta: Array, gradient: Array, is_weight: Array, scalars: Arrays, state: Arrays
    ) -> Updated:
        weight, *of_inner = scalars
        *of_state, average = state
        theta, after = self.inner.update(theta, gradient, is_weight, of_inner, of_state)
        return theta, (*after, moved_average(theta, average, weight))


def moved_average(theta: Array, average: Array, weight: Array) -> Array:
    """Return an average that a new theta has its share in."""
    return average + weight * (theta - average)


ADAMW_DECAY = 0.01
"""The weight decay of torch's ``AdamW``, where none is given."""


def make_optimizer(
    name: str,
    *,
    momentum: float = 0.9,
    beta1: float = 0.9,
    beta2: float = 0.999,
    weight_decay: float = 0.0,
    ema_decay: float = 0.0,
) -> Optimizer:
    """Return an optimizer by its name, one of `choices.OPTIMIZERS`.

    Parameters
    ----------
    name : str
    momentum : float
        Of "momentum" and "nesterov".
    beta1, beta2 : float
        Of "adam" and "adamw".
    weight_decay : float
        See `WeightDecay`; decoupled with "adamw".
    ema_decay : float
        See `EMA`; 0 for none.
    """
    optimizer: Optimizer = GradientDescent()
    if name in ("momentum", "nesterov"):
        optimizer = Momentum(momentum, nesterov=name == "nesterov")
    elif name in ("adam", "adamw"):
        optimizer = Adam(beta1, beta2)
    if weight_decay:
        optimizer = WeightDecay(optimizer, weight_decay, decoupled=name == "adamw")
    return EMA(optimizer, ema_decay) if ema_decay else optimizer


def step_scalars(
    optimizer: Optimizer, schedule: Schedule, learning_rate: float, steps: Sequence[int], total: int
) -> list[tuple[float, ...]]:
    """Return the scalars of these steps, counted from 0, of ``total``."""
    return [optimizer.scalars(step + 1, learning_rate * schedule(step, total)) for step in steps]
