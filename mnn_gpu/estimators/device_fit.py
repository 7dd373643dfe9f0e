"""Conversion of an estimator's network and data to this package's form, on a device."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
from scipy.special import xlogy
from sklearn.base import is_classifier

from mnn_gpu.backends import Backend
from mnn_gpu.errors import UsageError
from mnn_gpu.estimators.device_arrays import DeviceRows, is_sparse
from mnn_gpu.estimators.penalized_loss import SumsOf
from mnn_gpu.nn.parameters import flatten, unflatten, weight_mask
from mnn_gpu.step.batch import (
    Batch,
    MicrobatchInputs,
    NetworkSpec,
    StepData,
    batch_samples,
    shard_samples,
)
from mnn_gpu.step.gradient import LossAndGradient, batch_sums, sums_of_inputs
from mnn_gpu.step.microbatches import Microbatch, split_at, split_rows
from mnn_gpu.step.sharded_gradient import sharded_sums
from mnn_gpu.step.sharding import BatchSharding

Array: TypeAlias = Any
DENSE_SHARE = 0.25
"""Fraction of the free memory that sparse data may take after conversion to dense."""
FILLED = 0.02
"""Fraction of nonzero elements above which a CPU is faster with dense data."""


@dataclass(frozen=True)
class Placed:
    """Network, data and functions of a fit on a device.

    Attributes
    ----------
    sums_of : callable
        See `penalized_loss.SumsOf`.
    is_dense : bool
        Whether steps can be compiled, which is not possible for sparse data.
    sharding : BatchSharding or None
        This rank's part of each batch; None: all of it, divided by the backend.
    """

    task: NetworkSpec
    data: StepData
    sums_of: SumsOf
    is_dense: bool
    sharding: BatchSharding | None = None


def placed(
    estimator: Any,
    X: Any,
    y: npt.NDArray[Any],
    weights: npt.NDArray[Any] | None,
    backend: Backend,
    sharding: BatchSharding | None = None,
) -> Placed:
    """Bring a fit's data to the device.

    Parameters
    ----------
    estimator : MLPClassifier or MLPRegressor
        Initialized.
    X : (rows, features), float32 or float64: an array, a SciPy sparse matrix or `DeviceRows`
    y : (rows, outputs)
        As encoded by scikit-learn: 0 and 1, or numbers.
    weights : (rows,) or None

    Raises
    ------
    UsageError
        If they are sparse, too large to be dense, and there are several ranks.
    """
    dtype = np.dtype(X.dtype)
    theta = theta_of(estimator)
    # scikit-learn's losses clip probabilities away from 0 and 1.
    eps = float(np.finfo(np.result_type(dtype, theta.dtype)).eps)
    task = replace(task_of(estimator), clip=eps)
    labels = y.argmax(axis=1).astype(np.int32) if task.output == "softmax" else y.astype(dtype)
    is_weight = weight_mask(theta, task.layer_sizes)
    if is_sparse(X) and _fits(X, backend) and (sharding is not None or _is_worth_it(X, backend)):
        X = X.toarray()
    dense = not is_sparse(X)
    if sharding is not None and not dense:
        raise UsageError(
            "Sparse data that are too large to be dense cannot be divided between ranks.",
            "Fit without comm, or with fewer features.",
        )
    if isinstance(X, DeviceRows):
        X = X.array
    elif dense:
        X = backend.asarray(X)
    of_rows = backend.asarray(labels)
    data = StepData(
        X,
        of_rows,
        _shards(X, of_rows, backend, sharding) if dense else (),
        backend.asarray(is_weight, dtype=dtype),
        weights=None if weights is None else backend.asarray(weights, dtype=dtype),
    )
    if sharding is not None:
        return Placed(task, data, _shared_sums(task, backend, sharding), dense, sharding)
    return Placed(task, data, _dense_sums(task, backend) if dense else _sparse_sums(task), dense)


def task_of(estimator: Any) -> NetworkSpec:
    """Return the network's specification."""
    first, *others = estimator.coefs_
    sizes = (*first.shape, *(coef.shape[1] for coef in others))
    return NetworkSpec(
        layer_sizes=sizes, activation=estimator.activation, output=estimator.out_activation_
    )


def theta_of(estimator: Any) -> npt.NDArray[Any]:
    """Return ``coefs_`` and ``intercepts_`` as one vector, (parameters,)."""
    return as_theta(estimator.coefs_, estimator.intercepts_)


def as_theta(coefs: Sequence[Any], intercepts: Sequence[Any]) -> npt.NDArray[Any]:
    """Return weights (inputs, outputs) and biases (outputs,) as one vector, (parameters,)."""
    pairs = zip(coefs, intercepts, strict=True)
    theta: npt.NDArray[Any] = flatten([(W.T, b[:, None]) for W, b in pairs])
    return theta


def loss_type(
    estimator: Any, X: Any, y: npt.NDArray[Any], weights: npt.NDArray[Any] | None
) -> type[np.floating[Any]]:
    """Return the dtype of scikit-learn's losses, determined with the functions that it uses.

    It also depends on the dtypes of ``y`` and of the weights; `xlogy` of bool and float32 is
    float32 or float64, depending on SciPy's version.
    """
    A = np.zeros((1, y.shape[1]), np.result_type(X.dtype, theta_of(estimator).dtype))
    if not is_classifier(estimator):
        losses = y[:1] - A
    elif estimator.out_activation_ == "logistic":
        losses = xlogy(1 - y[:1], A)
    else:
        losses = xlogy(y[:1], A)
    found = np.result_type(losses.dtype, *([] if weights is None else [weights.dtype]))
    return found.type


def update_parameters(estimator: Any, theta: npt.NDArray[Any]) -> None:
    """Write the vector into ``coefs_`` and ``intercepts_`` in place, as scikit-learn does.

    They keep their dtype; if they are the best parameters of an earlier fit with early stopping
    and a warm start, those change with them.
    """
    arrays = [*estimator.coefs_, *estimator.intercepts_]
    if not all(array.flags.writeable for array in arrays):  # Memory-mapped from a file.
        set_parameters(estimator, theta)
        return
    layers = unflatten(theta, task_of(estimator).layer_sizes)
    for i, (W, b) in enumerate(layers):
        estimator.coefs_[i][...] = W.T
        estimator.intercepts_[i][...] = b[:, 0]


def set_parameters(estimator: Any, theta: npt.NDArray[Any]) -> None:
    """Set ``coefs_`` and ``intercepts_`` to views of the vector."""
    layers = unflatten(theta, task_of(estimator).layer_sizes)
    estimator.coefs_ = [np.ascontiguousarray(W.T) for W, _ in layers]
    estimator.intercepts_ = [b[:, 0].copy() for _, b in layers]


def _fits(X: Any, backend: Backend) -> bool:
    free = backend.memory().free
    need = X.shape[0] * X.shape[1] * X.dtype.itemsize
    return free is None or need <= DENSE_SHARE * free


def _is_worth_it(X: Any, backend: Backend) -> bool:
    return not backend.is_host or X.nnz >= FILLED * X.shape[0] * X.shape[1]


def _shards(
    X: Array, labels: Array, backend: Backend, sharding: BatchSharding | None
) -> tuple[Microbatch, ...]:
    if sharding is None:
        return tuple(split_rows(X, labels, backend.shard_rows, backend.workers))
    return tuple(split_at(X, labels, sharding.runs(X.shape[0], backend.shard_rows)))


def _dense_sums(task: NetworkSpec, backend: Backend) -> SumsOf:
    def sums_of(theta: Array, data: StepData, batch: Batch) -> LossAndGradient:
        shards = batch_samples(data, batch, task, backend.shard_rows, backend.workers)
        return batch_sums(theta, task, shards, execution=backend)

    return sums_of


def _shared_sums(task: NetworkSpec, backend: Backend, sharding: BatchSharding) -> SumsOf:
    def sums_of(theta: Array, data: StepData, batch: Batch) -> LossAndGradient:
        parts = shard_samples(data, batch, task, len(sharding.mine), backend.shard_rows)
        return sharded_sums(theta, task, parts, batch.sample_weight, sharding, execution=backend)

    return sums_of


def _sparse_sums(task: NetworkSpec) -> SumsOf:
    def sums_of(theta: Array, data: StepData, batch: Batch) -> LossAndGradient:
        rows, weights = batch.rows, None
        if data.weights is not None:
            weights = data.weights[rows][None, :]
            weights = weights * (weights.shape[1] / weights.sum())
        X = data.X[rows].T
        samples = MicrobatchInputs(X, data.labels[rows], weights=weights)
        return sums_of_inputs(theta, task, 1 / X.shape[1], X, samples)

    return sums_of
