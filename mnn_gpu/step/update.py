"""The update of the parameters, in training and in the estimators."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, TypeAlias

from array_api_compat import array_namespace

from mnn_gpu.nn.optimizers import EMA, Optimizer, moved_average
from mnn_gpu.nn.regularization import clipping_factor, max_norm_factors
from mnn_gpu.step.batch import NetworkSpec
from mnn_gpu.step.execution import Execution

Array: TypeAlias = Any
Arrays: TypeAlias = Sequence[Array]


class UpdateScalars(NamedTuple):
    """The scalars of one update, each ().

    Attributes
    ----------
    optimizer : sequence of ()
        See `Optimizer.scalars`.
    penalty : () or None
        Factor of the weights in the gradient, for an L2 penalty.
    """

    optimizer: Arrays
    penalty: Array | None = None


ParameterUpdate: TypeAlias = Callable[
    [Array, Arrays, Array, Array, UpdateScalars], tuple[Array, tuple[Array, ...]]
]
"""Takes theta, the optimizer's state, the gradient, the mask of the weights (see
`Optimizer.update`) and the scalars; returns theta and the new state."""


def parameter_update(
    task: NetworkSpec, optimizer: Optimizer, execution: Execution
) -> ParameterUpdate:
    """Return the update of an optimizer, with gradient clipping and max-norm."""
    clip_norm, max_norm = task.regularization.clip_norm, task.regularization.max_norm
    # The average is taken after the max-norm.
    averaged = optimizer if isinstance(optimizer, EMA) and max_norm is not None else None
    inner = averaged.inner if averaged else optimizer

    def update(
        theta: Array, state: Arrays, gradient: Array, is_weight: Array, scalars: UpdateScalars
    ) -> tuple[Array, tuple[Array, ...]]:
        xp = array_namespace(theta)
        ema_weight, *numbers = scalars.optimizer if averaged else (None, *scalars.optimizer)
        factor = None
        if clip_norm is not None:
            factor = xp.astype(clipping_factor(gradient, clip_norm), theta.dtype, copy=False)

        def follow(
            theta: Array, gradient: Array, is_weight: Array, *state: Array
        ) -> tuple[Array, ...]:
            gradient = array_namespace(theta).astype(gradient, theta.dtype, copy=False)
            if factor is not None:
                gradient = gradient * factor
            if scalars.penalty is not None:
                gradient = gradient + scalars.penalty * (is_weight * theta)
            theta, after = inner.update(theta, gradient, is_weight, numbers, state)
            return theta, *after

        vectors = theta, gradient, is_weight, *state[: inner.state_size]
        theta, *after = execution.fuse(follow)(*vectors)
        if max_norm is not None:
            factors = max_norm_factors(theta, task.layer_sizes, max_norm)
            (theta,) = execution.fuse(lambda theta, factors: (theta * factors,))(theta, factors)
        if averaged:
            average = execution.fuse(lambda new, old: (moved_average(new, old, ema_weight),))
            after += average(theta, state[-1])
        return theta, tuple(after)

    return update


def unstack(scalars: Array) -> list[Array]:
    """Return the entries of a vector, each ()."""
    return [scalars[i, ...] for i in range(scalars.shape[0])]
