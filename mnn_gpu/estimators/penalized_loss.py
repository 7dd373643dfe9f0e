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
from mnn_gpu.step.update import UpdateScalars, parameter_update, unstack

Array: TypeAlias = Any
SumsOf: TypeAlias = Callable[[Array, StepData, Batch], LossAndGradient]
"""A function of theta, the data and a batch."""


class FitState(NamedTuple):
    """The state that a step changes.

    Attributes
    ----------
    theta : (parameters,), floating
    optimizer_state : tuple of (parameters,)
        The vectors that the optimizer keeps.
    loss : (), floating
        Sum over the batches since it was set to 0, each times its number of samples.
    """

    theta: Array
    optimizer_state: tuple[Array, ...]
    loss: Array


def penalties(alpha: float, rows: int, weight: float) -> tuple[float, float]:
    """Return the factors of the penalty in gradient and loss, for rows with a sum of weights."""
    return alpha / weight, alpha * rows / (2 * weight)


def penalized_step(
    task: NetworkSpec, optimizer: Optimizer, sums_of: SumsOf, execution: Execution
) -> Callable[[StepData, FitState, Batch], FitState]:
    """Return a step ``(data, state, batch) -> state``.

    The scalars of a batch are its `penalties`, then the optimizer's.
    """
    loss_factor = loss_scale(task)
    update = parameter_update(task, optimizer, execution)

    def step(data: StepData, state: FitState, batch: Batch) -> FitState:
        sums = sums_of(state.theta, data, batch)
        penalty, of_loss, *of_optimizer = unstack(batch.scalars)
        length = squared_length(state.theta, task.layer_sizes)
        loss = state.loss + sums.loss * loss_factor + of_loss * length
        scalars, before = UpdateScalars(of_optimizer, penalty), (state.theta, state.optimizer_state)
        after = update(*before, sums.gradient, data.is_weight, scalars)
        return FitState(*after, loss)

    return step


def loss_scale(task: NetworkSpec) -> float:
    """Return the factor of the loss: scikit-learn's squared error is a mean over outputs."""
    return 1 / task.layer_sizes[-1] if task.output == "identity" else 1.0


def squared_length(theta: Array, layer_sizes: Sequence[int]) -> Array:
    """Return ``|W|^2``, the sum over all layers, (); as products, which read ``W`` once."""
    xp = array_namespace(theta)
    vectors = [xp.reshape(W, (1, -1)) for W, _ in unflatten(theta, layer_sizes)]
    return xp.reshape(reduce(add, [w @ w.T for w in vectors]), ())
