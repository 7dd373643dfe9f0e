"""One training step, a pure function ``(data, state, batch) -> state`` over the namespace.

Compiled by `Backend.compile`; it never reads a value back to the host. The data stay on the
device: a batch only gives the indices of its rows and the random numbers for deformation
and dropout.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, TypeAlias

from array_api_compat import array_namespace

from mnn_gpu.nn.optimizers import Optimizer
from mnn_gpu.step.batch import Batch, NetworkSpec, StepData, batch_samples, shard_samples
from mnn_gpu.step.execution import SERIAL, Execution
from mnn_gpu.step.gradient import batch_sums
from mnn_gpu.step.sharded_gradient import sharded_sums
from mnn_gpu.step.sharding import BatchSharding
from mnn_gpu.step.update import UpdateScalars, parameter_update, unstack

Array: TypeAlias = Any


class State(NamedTuple):
    """The state that a step updates; all on the device.

    Attributes
    ----------
    theta : (parameters,), floating
    optimizer_state : tuple of (parameters,)
        The vectors that the optimizer keeps.
    loss : (), floating
        Cross-entropy summed over the samples since it was last reset to 0.
    correct : (), int32
        Number of correct predictions among them.
    finite_steps : (), int32
        Number of steps with a finite loss: the index of the first step after which none is.
    """

    theta: Array
    optimizer_state: tuple[Array, ...]
    loss: Array
    correct: Array
    finite_steps: Array


def first_state(
    theta: Array, optimizer: Optimizer, dtype: str, asarray: Callable[..., Array]
) -> State:
    """Return the state before the first step, from theta, (parameters,), on the host.

    ``dtype`` is that of theta and the optimizer's state on the device; ``asarray`` is
    `Backend.asarray`. Each array is a new one, since a compiled step may reuse its memory.
    """
    return State(
        theta=asarray(theta, dtype=dtype),
        optimizer_state=tuple(asarray(theta * 0, dtype=dtype) for _ in range(optimizer.state_size)),
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
    update = parameter_update(task, optimizer, execution)

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
        scalars = UpdateScalars(unstack(batch.scalars))
        before = state.theta, state.optimizer_state
        theta, optimizer_state = update(*before, sums.gradient, data.is_weight, scalars)
        return State(
            theta=theta,
            optimizer_state=optimizer_state,
            loss=state.loss + sums.loss,
            correct=state.correct + sums.correct,
            finite_steps=state.finite_steps + xp.astype(xp.isfinite(sums.loss), xp.int32),
        )

    return step
