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
from mnn_gpu.estimators.before_1_7 import HAS_WEIGHTS
from mnn_gpu.estimators.checkpoint import FitCheckpoint, fit_checkpoint
from mnn_gpu.estimators.device_arrays import DeviceRows
from mnn_gpu.estimators.device_fit import loss_type, placed
from mnn_gpu.estimators.multi_rank import sharding_of, sync_from_rank0
from mnn_gpu.estimators.sgd_loop import DeviceLoop
from mnn_gpu.estimators.solver_state import Split, solver_of
from mnn_gpu.utils.signals import FinishStep

Host: TypeAlias = npt.NDArray[Any]


def fit_stochastic(
    estimator: Any, X: Any, y: Host, weights: Host | None, incremental: bool, backend: Backend
) -> None:
    """Train an initialized estimator; the parameters are those of scikit-learn's loop.

    For X, y and weights see `placed`. ``incremental`` is ``partial_fit``: one epoch, continuing
    with the optimizer's state.
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
        loop = DeviceLoop(estimator, there, split, weights, incremental, backend, of_loss)
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
    """Return X, y and, if scikit-learn has them, weights of the held-out rows."""
    if not estimator.early_stopping:
        return (None, None, None) if HAS_WEIGHTS else (None, None)
    rows, y = split.held_out, y[split.held_out]
    if is_classifier(estimator):
        y = estimator._label_binarizer.inverse_transform(y)
    X = X.taken(rows) if isinstance(X, DeviceRows) else X[rows]
    return (X, y, None if weights is None else weights[rows]) if HAS_WEIGHTS else (X, y)


def _epochs(
    estimator: Any,
    loop: DeviceLoop,
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
