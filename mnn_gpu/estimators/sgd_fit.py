"""Training by stochastic gradient descent or Adam, epoch by epoch, as in scikit-learn.

Order of the samples, batches, learning rates and stopping are scikit-learn's, drawn from its
``random_state``: the same state gives the same network, up to rounding.
"""

from __future__ import annotations

import signal
import warnings
from contextlib import nullcontext
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
from sklearn.base import is_classifier
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import train_test_split
from sklearn.utils import shuffle

from mnn_gpu.backends import Backend
from mnn_gpu.distributed.process_group import ProcessGroup
from mnn_gpu.estimators.checkpoint import FitCheckpoint, fit_checkpoint
from mnn_gpu.estimators.device_arrays import DeviceRows
from mnn_gpu.estimators.device_fit import Placed, loss_type, placed, theta_of, update_parameters
from mnn_gpu.estimators.multi_rank import sharding_of, sync_from_rank0
from mnn_gpu.estimators.penalized_loss import FitState, penalized_step, penalties
from mnn_gpu.estimators.solver_state import SolverState, Split, solver_of
from mnn_gpu.step.batch import Batch
from mnn_gpu.step.execution import Run
from mnn_gpu.utils.signals import FinishStep

Array: TypeAlias = Any
Host: TypeAlias = npt.NDArray[Any]

WORTH_COMPILING = 32
"""Number of steps; fewer take less time than tracing one."""


def fit_stochastic(
    estimator: Any, X: Any, y: Host, weights: Host | None, incremental: bool, backend: Backend
) -> None:
    """Train an initialized estimator; the parameters are those of scikit-learn's loop.

    Parameters
    ----------
    estimator : MLPClassifier or MLPRegressor
    X : (rows, features): an array, a SciPy sparse matrix or `DeviceRows`
    y : (rows, outputs)
    weights : (rows,) or None
    incremental : bool
        Whether this is ``partial_fit``: one epoch, continuing with the optimizer's state.
    backend : Backend
    """
    if not incremental or not hasattr(estimator, "_optimizer"):
        estimator._optimizer = solver_of(estimator)
    if estimator.early_stopping and incremental:
        raise ValueError("partial_fit does not support early_stopping=True")
    ranks: ProcessGroup = estimator._ranks
    sharding = sharding_of(ranks, backend)
    of_loss = loss_type(estimator, X, y, weights)
    folder = ranks.on_rank0(lambda: fit_checkpoint(estimator, X, y, weights, incremental))
    with folder or nullcontext() as kept:
        resumed = ranks.on_rank0(lambda: None if kept is None else kept.resumed(of_loss))
        split = sync_from_rank0(estimator, resumed)
        if split is None:
            split = _split(estimator, y)
            estimator.n_iter_ = 0
        if split.is_finished:
            return
        there = ranks.on_all_ranks(lambda: placed(estimator, X, y, weights, backend, sharding))
        loop = _Loop(estimator, there, split, weights, incremental, backend, of_loss)
        try:
            with FinishStep([signal.SIGINT]) as interrupt:
                _epochs(
                    estimator, loop, _held_out(estimator, X, y, weights, split), interrupt, kept
                )
        except KeyboardInterrupt:
            if ranks.size > 1 and not loop.is_stopped:
                raise  # In the middle of a step, for which the other ranks wait.
            warnings.warn("Training interrupted by user.", stacklevel=2)
        loop.bring_back()
        if estimator.early_stopping:
            estimator.coefs_ = estimator._best_coefs
            estimator.intercepts_ = estimator._best_intercepts


def _split(estimator: Any, y: Host) -> Split:
    """Choose the rows to train on, and the rows held out for early stopping."""
    rows = np.arange(len(y))
    if not estimator.early_stopping:
        return Split(rows, np.empty(0, int), rows.copy())
    by_class = is_classifier(estimator) and estimator.n_outputs_ == 1
    training, held_out = train_test_split(
        rows,
        random_state=estimator._random_state,
        test_size=estimator.validation_fraction,
        stratify=y if by_class else None,
    )
    if len(held_out) < 2:
        raise ValueError(
            "The validation set is too small. Increase 'validation_fraction' "
            "or the size of your dataset."
        )
    return Split(training, held_out, np.arange(len(training)))


def _held_out(
    estimator: Any, X: Any, y: Host, weights: Host | None, split: Split
) -> tuple[Any, ...]:
    """Return X, y and weights of the held-out rows."""
    if not estimator.early_stopping:
        return None, None, None
    rows, y = split.held_out, y[split.held_out]
    if is_classifier(estimator):
        y = estimator._label_binarizer.inverse_transform(y)
    X = X.taken(rows) if isinstance(X, DeviceRows) else X[rows]
    return X, y, None if weights is None else weights[rows]


def _epochs(
    estimator: Any,
    loop: _Loop,
    held_out: tuple[Any, ...],
    interrupt: FinishStep,
    kept: FitCheckpoint | None,
) -> None:
    """Run epochs until a stopping condition holds."""
    schedule, split = loop.solver.schedule, loop.split
    while estimator.n_iter_ < estimator.max_iter:
        if estimator.shuffle:
            split.order = shuffle(split.order, random_state=estimator._random_state)
        estimator.loss_ = loop.loss_type(loop.epoch(split.order, interrupt) / len(split.order))
        estimator.n_iter_ += 1
        estimator.t_ += len(split.order)
        estimator.loss_curve_.append(estimator.loss_)
        if estimator.verbose:
            print(f"Iteration {estimator.n_iter_}, loss = {estimator.loss_:.8f}")
        if estimator.early_stopping or kept:
            loop.bring_back()
        estimator._update_no_improvement_count(estimator.early_stopping, *held_out)
        schedule.iteration_ends(estimator.t_)
        is_over = False
        if estimator._no_improvement_count > estimator.n_iter_no_change:
            is_over = schedule.trigger_stopping(_why(estimator), estimator.verbose)
            if not is_over:
                estimator._no_improvement_count = 0
        if kept:
            kept.save_epoch(split, finished=is_over)
        if is_over or loop.incremental:
            return
    warnings.warn(
        f"Stochastic Optimizer: Maximum iterations ({estimator.max_iter:d}) "
        "reached and the optimization hasn't converged yet.",
        ConvergenceWarning,
        stacklevel=2,
    )


def _why(estimator: Any) -> str:
    what = "Validation score" if estimator.early_stopping else "Training loss"
    return (
        f"{what} did not improve more than tol={estimator.tol:f} "
        f"for {estimator.n_iter_no_change} consecutive epochs."
    )


class _Loop:
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
