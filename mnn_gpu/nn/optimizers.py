"""Optimizers: updates of one flat parameter vector.

An update is elementwise over vectors of one length, so a backend may fuse it or process it
in blocks. It uses no array library directly. Values that depend only on the step number
(the learning rate, Adam's bias corrections) are computed as Python floats on the host ahead
of time. So the device reads a few numbers per step and needs no counter.

`GradientDescent`, `Momentum` and `Adam` follow the gradient; `WeightDecay` and `EMA` wrap
one of them, in any combination. `SGDMomentum` is scikit-learn's form of momentum, for the
estimators alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt
from typing import Any, Protocol, TypeAlias

from array_api_compat import array_namespace

from mnn_gpu.nn.schedules import Schedule
from mnn_gpu.utils.choices import OPTIMIZERS
from mnn_gpu.utils.validation import one_of

Array: TypeAlias = Any
Arrays: TypeAlias = Sequence[Array]
Updated: TypeAlias = tuple[Array, tuple[Array, ...]]


class Optimizer(Protocol):
    """An update rule.

    Attributes
    ----------
    state_size : int
        Number of state vectors kept between steps, each as long as theta and initially 0.
    """

    @property
    def state_size(self) -> int: ...

    def scalars(self, t: int, learning_rate: float) -> tuple[float, ...]:
        """Return the scalars that step ``t``, counted from 1, needs."""

    def update(
        self, theta: Array, gradient: Array, is_weight: Array, scalars: Arrays, state: Arrays
    ) -> Updated:
        """Return ``theta`` and the state vectors after one step, elementwise.

        ``is_weight`` is 1 where theta holds a weight and 0 where it holds a bias. Only
        `WeightDecay` needs it; other optimizers accept None.
        """


# ---- update rules ----------------------------------------------------------------------


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
    """``v := mu v + g``, ``theta := theta - alpha v`` (Polyak 1964; as in torch and optax).

    With ``nesterov`` the step is ``alpha (g + mu v)``, which approximates the gradient at
    the position that the momentum leads to (Nesterov 1983, as in Sutskever et al. 2013).
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
class SGDMomentum(Momentum):
    """``v := mu v - alpha g``, ``theta := theta + v``: the learning rate is part of the velocity.

    As in Sutskever et al. (2013) and scikit-learn. Identical to `Momentum` while alpha is
    constant. With ``nesterov`` the step is ``mu v - alpha g`` with the new ``v``.
    """

    def update(
        self, theta: Array, gradient: Array, is_weight: Array, scalars: Arrays, state: Arrays
    ) -> Updated:
        (rate,), (v,) = scalars, state
        v = self.momentum * v - rate * gradient
        return theta + (self.momentum * v - rate * gradient if self.nesterov else v), (v,)


@dataclass(frozen=True)
class Adam:
    """Adam on unnormalized sums: the factors ``1 - beta`` of the means are part of the scalars.

    ``m := beta1 m + g``, ``v := beta2 v + g^2``,
    ``theta := theta - alpha_t m / (sqrt(v) + epsilon_t)``, which saves one pass over memory
    for each mean. Algorithm 1 of the paper has ``(1 - beta1) m`` and ``(1 - beta2) v`` as
    means and divides them by ``1 - beta1^t`` and ``1 - beta2^t``. With
    ``c = (1 - beta2^t) / (1 - beta2)`` this is equivalent to
    ``alpha_t = alpha sqrt(c) (1 - beta1) / (1 - beta1^t)`` and
    ``epsilon_t = epsilon sqrt(c)``.

    ``epsilon_hat`` selects the paper's other form, at the end of section 2, which adds
    epsilon before the correction of ``v``: ``epsilon_t = epsilon / sqrt(1 - beta2)``
    (as in TensorFlow and scikit-learn).

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


# ---- wrappers --------------------------------------------------------------------------


@dataclass(frozen=True)
class WeightDecay:
    """Weight decay: shrink the weights, not the biases.

    Decoupled, as in AdamW: ``theta := theta - alpha decay theta`` in addition to the
    optimizer's step. Otherwise the gradient of ``decay / 2 |theta|^2`` is added to the
    gradient, as in torch's ``SGD`` and ``Adam``. Both are the same for gradient descent.

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
    """Exponential moving average of theta, in the last state vector (Polyak and Juditsky 1992).

    ``average := average + (1 - d_t) (theta - average)`` with ``d_t = min(decay, (t - 1) /
    (t + 9))``: a short memory at first, so that the first steps soon lose their influence.
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
    """Return the moving average after including a new theta with the given weight."""
    return average + weight * (theta - average)


ADAMW_DECAY = 0.01
"""The weight decay of torch's ``AdamW``, used by default."""


def make_optimizer(
    name: str,
    *,
    momentum: float = 0.9,
    beta1: float = 0.9,
    beta2: float = 0.999,
    weight_decay: float = 0.0,
    ema_decay: float = 0.0,
) -> Optimizer:
    """Return an optimizer by name.

    Parameters
    ----------
    name : str
        One of `choices.OPTIMIZERS`.
    momentum : float
        For "momentum" and "nesterov".
    beta1, beta2 : float
        For "adam" and "adamw".
    weight_decay : float
        See `WeightDecay`; decoupled with "adamw".
    ema_decay : float
        See `EMA`; 0 disables it.

    Raises
    ------
    UsageError
        For another name.
    """
    one_of("optimizer", name, OPTIMIZERS)
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
    """Return the scalars of the given steps, counted from 0, of ``total`` steps."""
    return [optimizer.scalars(step + 1, learning_rate * schedule(step, total)) for step in steps]
