"""One training step, a pure function ``(data, state, batch) -> state`` over the namespace.

Compiled by `Backend.compile`; it never reads a value back to the host. The data stay on the
device: a batch only gives the indices of its rows and the random numbers for deformation
and dropout.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, TypeAlias

from array_api_compat import array_namespace

from mnn_gpu.nn.optimizers import EMA, Optimizer, moved_average
from mnn_gpu.nn.regularization import clipping_factor, max_norm_factors
from mnn_gpu.step.batch import Batch, NetworkSpec, StepData, batch_samples, shard_samples
from mnn_gpu.step.execution import SERIAL, Execution
from mnn_gpu.step.gradient import batch_sums
from mnn_gpu.step.sharded_gradient import sharded_sums
from mnn_gpu.step.sharding import BatchSharding

Array: TypeAlias = Any


class State(NamedTuple):
    """The state that a step updates; all on the device.

    Attributes
    ----------
    theta : (parameters,), floating
    slots : tuple of (parameters,)
        The optimizer's state vectors.
    loss : (), floating
        Cross-entropy summed over the samples since it was last reset to 0.
    correct : (), int32
        Number of correct predictions among them.
    finite_steps : (), int32
        Number of steps with a finite loss, so the index of the first step without one.
    """

    theta: Array
    slots: tuple[Array, ...]
    loss: Array
    correct: Array
    finite_steps: Array


def first_state(
    theta: Array, optimizer: Optimizer, dtype: str, asarray: Callable[..., Array]
) -> State:
    """Return the state before the first step.

    Parameters
    ----------
    theta : (parameters,), on the host
    optimizer : Optimizer
    dtype : str
        Of theta and the state vectors on the device.
    asarray : callable
        `Backend.asarray`. Each array is a new one, since a compiled step may reuse its memory.
    """
    return State(
        theta=asarray(theta, dtype=dtype),
        slots=tuple(asarray(theta * 0, dtype=dtype) for _ in range(optimizer.slots)),
        loss=asarray(0.0, dtype=dtype),
        correct=asarray(0, dtype="int32"),
        finite_steps=asarray(0, dtype="int32"),
    )


Step: TypeAlias = Callable[[StepData, State, Batch], State]


def training_step(
    task: NetworkSpec,
    optimizer: Optimizer,
    execution: Execution = SERIAL,
    shard_rows: int | None = None,
    sharding: BatchSharding | None = None,
) -> Step:
    """Return a training step ``(data, state, batch) -> state``.

    Parameters
    ----------
    task : NetworkSpec
    optimizer : Optimizer
    execution : Execution
        Usually the `Backend`.
    shard_rows : int, optional
        See `batch_samples`. Default: that of ``execution``.
    sharding : BatchSharding, optional
        How each batch is split over ranks. Default: this process has all of it.
    """
    updated = _updating(task, optimizer, execution)

    def step(data: StepData, state: State, batch: Batch) -> State:
        xp = array_namespace(state.theta)
        rows = shard_rows or execution.shard_rows
        if sharding is None:
            microbatches = batch_samples(data, batch, task, rows, execution.workers)
            sums = batch_sums(state.theta, task, microbatches, data.basis, execution)
        else:
            parts = shard_samples(data, batch, task, len(sharding.mine), rows)
            sums = sharded_sums(
                state.theta, task, parts, batch.sample_weight, sharding, data.basis, execution
            )
        theta, *slots = updated(state, sums.gradient, data.is_weight, batch.scalars)
        return State(
            theta=theta,
            slots=tuple(slots),
            loss=state.loss + sums.loss,
            correct=state.correct + sums.correct,
            finite_steps=state.finite_steps + xp.astype(xp.isfinite(sums.loss), xp.int32),
        )

    return step


def _updating(
    task: NetworkSpec, optimizer: Optimizer, execution: Execution
) -> Callable[..., Sequence[Array]]:
    """Return the update of theta and the state vectors as fused functions of vectors."""
    longest, max_norm = task.regularization.clip_norm, task.regularization.max_norm
    # The averaged parameters are those after the max-norm.
    averaged = optimizer if isinstance(optimizer, EMA) and max_norm is not None else None
    follow = averaged.inner if averaged else optimizer

    def update(
        theta: Array, gradient: Array, is_weight: Array | None, factor: Array | None, *rest: Array
    ) -> tuple[Array, ...]:
        scalars, slots = rest[: len(rest) - follow.slots], rest[len(rest) - follow.slots :]
        xp = array_namespace(theta)
        gradient = xp.astype(gradient, theta.dtype, copy=False)
        if factor is not None:
            gradient = gradient * factor
        theta, after = follow.update(theta, gradient, is_weight, scalars, slots)
        return theta, *after

    fused = execution.fuse(update)
    scale = execution.fuse(lambda theta, factors: (theta * factors,))
    average = execution.fuse(lambda theta, mean, weight: (moved_average(theta, mean, weight),))

    def updated(
        state: State, gradient: Array, is_weight: Array | None, scalars: Array
    ) -> Sequence[Array]:
        xp = array_namespace(state.theta)
        numbers = [scalars[i, ...] for i in range(scalars.shape[0])]
        factor = None
        if longest is not None:
            factor = xp.astype(clipping_factor(gradient, longest), state.theta.dtype, copy=False)
        ema_weight, *of_follow = numbers if averaged else (None, *numbers)
        slots = state.slots[: follow.slots]
        theta, *after = fused(state.theta, gradient, is_weight, factor, *of_follow, *slots)
        if max_norm is not None:
            (theta,) = scale(theta, max_norm_factors(theta, task.layer_sizes, max_norm))
        if averaged:
            after += average(theta, state.slots[-1], ema_weight)
        return theta, *after

    return updated
