"""The step of scikit-learn's perceptrons: weighted samples, a penalty, any activation.

The loss of a batch is the weighted mean over its samples plus ``alpha / 2 |W|^2 / n``, with
``n`` the sum of the batch's weights.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import reduce
from operator import add
from typing import Any, NamedTuple, TypeAlias

from array_api_compat import array_namespace

from mnn_gpu.nn.optimizers import Optimizer
from mnn_gpu.nn.parameters import unflatten
from mnn_gpu.step.batch import Batch, NetworkSpec, StepData
from mnn_gpu.step.execution import Execution
from mnn_gpu.step.gradient import LossAndGradient

Array: TypeAlias = Any
SumsOf: TypeAlias = Callable[[Array, StepData, Batch], LossAndGradient]
"""Takes theta, the data and a batch."""


class FitState(NamedTuple):
    """What a step changes.

    Attributes
    ----------
    theta : (parameters,), floating
    slots : tuple of (parameters,)
        The optimizer's memory.
    loss : (), floating
        Of each batch since it was last set to 0, times its number of samples, added up.
    """

    theta: Array
    slots: tuple[Array, ...]
    loss: Array


def penalties(alpha: float, rows: int, weight: float) -> tuple[float, float]:
    """Return what a step needs to know of its batch: the penalty's share of gradient and loss.

    Parameters
    ----------
    alpha : float
    rows : int
    weight : float
        The sum of the rows' weights.
    """
    return alpha / weight, alpha * rows / (2 * weight)


def penalised_step(
    task: NetworkSpec, optimizer: Optimizer, sums_of: SumsOf, execution: Execution
) -> Callable[[StepData, FitState, Batch], FitState]:
    """Return a step ``(data, state, batch) -> state``.

    The scalars of a batch are its `penalties`, then the optimizer's.
    """
    share_of_loss = loss_share(task)

    def update(
        theta: Array, gradient: Array, is_weight: Array, penalty: Array, *rest: Array
    ) -> tuple[Array, ...]:
        scalars, slots = rest[: len(rest) - optimizer.slots], rest[len(rest) - optimizer.slots :]
        xp = array_namespace(theta)
        gradient = xp.astype(gradient, theta.dtype, copy=False) + penalty * (is_weight * theta)
        theta, after = optimizer.update(theta, gradient, is_weight, scalars, slots)
        return theta, *after

    fused = execution.fuse(update)

    def step(data: StepData, state: FitState, batch: Batch) -> FitState:
        sums = sums_of(state.theta, data, batch)
        penalty, of_loss, *scalars = (batch.scalars[i, ...] for i in range(batch.scalars.shape[0]))
        length = squared_length(state.theta, task.layer_sizes)
        loss = state.loss + sums.loss * share_of_loss + of_loss * length
        arguments = state.theta, sums.gradient, data.is_weight, penalty, *scalars, *state.slots
        theta, *slots = fused(*arguments)
        return FitState(theta, tuple(slots), loss)

    return step


def loss_share(task: NetworkSpec) -> float:
    """Return what the loss is told with: scikit-learn's squared error is a mean over outputs."""
    return 1 / task.layer_sizes[-1] if task.output == "identity" else 1.0


def squared_length(theta: Array, layer_sizes: Sequence[int]) -> Array:
    """Return ``|W|^2``, the sum over all layers, (); as products, which read ``W`` once."""
    xp = array_namespace(theta)
    vectors = [xp.reshape(W, (1, -1)) for W, _ in unflatten(theta, layer_sizes)]
    return xp.reshape(reduce(add, [w @ w.T for w in vectors]), ())
