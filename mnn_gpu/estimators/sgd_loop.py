"""The steps of a fit by gradient descent, on the device, epoch by epoch."""

from __future__ import annotations

import warnings
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from mnn_gpu.backends import Backend
from mnn_gpu.distributed.process_group import ProcessGroup
from mnn_gpu.estimators.device_fit import Placed, theta_of, update_parameters
from mnn_gpu.estimators.penalized_loss import FitState, penalized_step, penalties
from mnn_gpu.estimators.solver_state import SolverState, Split
from mnn_gpu.step.batch import Batch
from mnn_gpu.step.execution import Run
from mnn_gpu.utils.signals import FinishStep

Array: TypeAlias = Any
Host: TypeAlias = npt.NDArray[Any]

WORTH_COMPILING = 32
"""Number of steps; fewer take less time than tracing one."""


class DeviceLoop:
    """The epochs of one fit, on the device."""

    def __init__(
        self,
        estimator: Any,
        there: Placed,
        split: Split,
        weights: Host | None,
        incremental: bool,
        backend: Backend,
        loss_type: Any,
    ) -> None:
        self.estimator = estimator
        self.there = there
        self.split = split
        self.rows = rows = split.training
        self.weights = None if weights is None else weights[rows]
        self.incremental = incremental
        self.backend = backend
        self.ranks: ProcessGroup = estimator._ranks
        self.steps_per_call = self.ranks.broadcast(backend.steps_per_call)
        self.is_stopped = False
        self.loss_type = loss_type
        self.reshape = backend.xp.reshape if there.is_dense else np.reshape
        self.batch_size = _batch_size(estimator, len(rows))
        self.epochs = 1 if incremental else estimator.max_iter
        self.solver: SolverState = estimator._optimizer
        self.optimizer = self.solver.optimizer
        self.state = self._first_state()
        self.run = self._compiled()

    def _first_state(self) -> FitState:
        theta = theta_of(self.estimator)
        asarray, optimizer_state = self.backend.asarray, self.solver.optimizer_state
        if not optimizer_state:
            optimizer_state = [np.zeros_like(theta) for _ in range(self.optimizer.state_size)]
        loss = asarray(np.zeros((), theta.dtype))
        return FitState(asarray(theta), tuple(map(asarray, optimizer_state)), loss)

    def _compiled(self) -> Run:
        """Compile the step if possible and if it is used often enough."""
        step = penalized_step(self.there.task, self.optimizer, self.there.sums_of, self.backend)
        steps = self.epochs * -(-len(self.rows) // self.batch_size)
        if self.there.is_dense and steps >= WORTH_COMPILING:
            return self.backend.compile(step, self.there.data, self.ranks.allgather)
        return Backend.compile(self.backend, step, self.there.data)

    def epoch(self, order: Host, interrupt: FinishStep) -> float:
        """Run one epoch over the rows in this order; return the sum of their losses."""
        size, zero = self.batch_size, self.backend.asarray(np.zeros((), self.state_dtype))
        self.state = self.state._replace(loss=zero)
        chosen = self.rows[order].astype(np.int32)
        on_device = chosen if not self.there.is_dense else self.backend.asarray(chosen)
        batches = self._batches(order)
        whole = len(order) // size
        done = 0
        while done * size < len(order):
            steps = min(self.steps_per_call, whole - done) if done < whole else 1
            first, last = done * size, min((done + steps) * size, len(order))
            rows = self.reshape(on_device[first:last], (steps, -1))
            if self.there.sharding is not None:
                rows = rows[:, self.there.sharding.own_rows((last - first) // steps)]
            here = (None if of is None else of[done : done + steps, ...] for of in batches)
            self.state = self.run(self.state, Batch(*here)._replace(rows=rows))
            done += steps
            self.solver.steps += steps
            if self.ranks.max(interrupt.requested or 0):
                self.is_stopped = True
                raise KeyboardInterrupt
        return float(self.backend.to_numpy(self.state.loss))

    @property
    def state_dtype(self) -> Any:
        return self.estimator.coefs_[0].dtype

    def _batches(self, order: Host) -> Batch:
        """Return the scalars of an epoch's batches, stacked, without their rows."""
        starts = np.arange(0, len(order), self.batch_size)
        counts = np.diff(starts, append=len(order))
        sums = counts.astype(float)
        if self.weights is not None:
            sums = np.add.reduceat(self.weights[order].astype(float), starts)
        if not sums.all():
            raise ZeroDivisionError("Weights sum to zero, can't be normalized")
        scalars = self._on_device(self._scalars(counts, sums))
        if self.there.sharding is None:
            return Batch(scalars)
        scale = None if self.weights is None else self._on_device(counts / sums)
        return Batch(scalars, sample_weight=self._on_device(1 / counts), scale=scale)

    def _scalars(self, counts: Host, sums: Host) -> Host:
        """Return penalties and optimizer scalars of an epoch's steps, (steps, numbers)."""
        rate, first = self.solver.learning_rate, self.solver.steps + 1
        return np.array(
            [
                (*penalties(self.estimator.alpha, m, n), *self.optimizer.scalars(first + i, rate))
                for i, (m, n) in enumerate(zip(counts.tolist(), sums.tolist(), strict=True))
            ]
        )

    def _on_device(self, numbers: Host) -> Array:
        return self.backend.asarray(numbers, dtype=self.state_dtype)

    def bring_back(self) -> None:
        """Copy parameters to the estimator, and the optimizer's state to the solver."""
        theta = np.array(self.backend.to_numpy(self.state.theta))
        update_parameters(self.estimator, theta)
        self.solver.optimizer_state = [
            np.array(self.backend.to_numpy(vector)) for vector in self.state.optimizer_state
        ]


def _batch_size(estimator: Any, rows: int) -> int:
    if estimator.batch_size == "auto":
        return min(200, rows)
    if estimator.batch_size > rows:
        warnings.warn(
            "Got `batch_size` less than 1 or larger than sample size. It is going to be clipped",
            stacklevel=2,
        )
    return int(np.clip(estimator.batch_size, 1, rows))
