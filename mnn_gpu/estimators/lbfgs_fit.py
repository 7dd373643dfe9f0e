"""Training with SciPy's L-BFGS on the flat vector; loss and gradient from the device."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt
import scipy
import scipy.optimize
from array_api_compat import array_namespace
from sklearn.utils.optimize import _check_optimize_result
from threadpoolctl import ThreadpoolController

from mnn_gpu.backends import Backend
from mnn_gpu.distributed.process_group import ProcessGroup
from mnn_gpu.estimators.device_fit import Placed, loss_type, placed, set_parameters, theta_of
from mnn_gpu.estimators.multi_rank import sharding_of, sync_from_rank0
from mnn_gpu.estimators.penalized_loss import loss_scale, squared_length
from mnn_gpu.step.batch import Batch, StepData
from mnn_gpu.utils.blas import SharedLimit

Array: TypeAlias = Any
Host: TypeAlias = npt.NDArray[Any]

SCIPY_PRINTS = tuple(map(int, scipy.__version__.split(".")[:2])) < (1, 15)
"""Whether SciPy's L-BFGS prints iterations if verbose; newer versions do not."""


class _Point(NamedTuple):
    """Where to evaluate loss and gradient, (parameters,), and for which rows; see `Batch`."""

    theta: Array
    rows: Array | None
    share: Array | None
    scale: Array | None


class _Found(NamedTuple):
    """The loss and its gradient at a point."""

    loss: Array
    gradient: Array


def fit_lbfgs(estimator: Any, X: Any, y: Host, weights: Host | None, backend: Backend) -> None:
    """Train an initialized estimator; parameters as for `fit_stochastic`.

    References
    ----------
    Byrd, Lu, Nocedal, Zhu: A Limited Memory Algorithm for Bound Constrained Optimization,
    SIAM Journal on Scientific Computing 16 (1995).
    """
    ranks: ProcessGroup = estimator._ranks
    sharding = sharding_of(ranks, backend)
    sync_from_rank0(estimator, None)
    there = ranks.on_all_ranks(lambda: placed(estimator, X, y, weights, backend, sharding))
    total = float(X.shape[0] if weights is None else weights.sum())
    step = _loss_and_gradient(there, X.shape[0], estimator.alpha / total)
    compile_ = backend.compile if there.is_dense else lambda *args: Backend.compile(backend, *args)
    run = compile_(step, there.data, ranks.allgather)
    theta = theta_of(estimator)
    whole = _whole_batch(
        there, X.shape[0], None if weights is None else total, theta.dtype, backend
    )
    found = _Found(backend.asarray(np.zeros((), theta.dtype)), backend.asarray(theta * 0))

    def objective(point: Host) -> tuple[float, Host]:
        nonlocal found
        here = backend.asarray(point[None, :], dtype=theta.dtype)
        found = run(found, whole._replace(theta=here))
        gradient = np.array(backend.to_numpy(found.gradient), dtype=np.float64)
        return float(backend.to_numpy(found.loss)), gradient

    with scipys_own_blas_single_threaded():
        result = _minimize(objective, theta.astype(np.float64), estimator)
    estimator.n_iter_ = _check_optimize_result("lbfgs", result, estimator.max_iter)
    estimator.loss_ = loss_type(estimator, X, y, weights)(result.fun)
    set_parameters(estimator, result.x)


def _whole_batch(
    there: Placed, rows: int, total: float | None, dtype: Any, backend: Backend
) -> _Point:
    """Return the batch of all rows that every step uses; total: the sum of their weights."""
    named: Array | None = None
    share: Array | None = None
    scale: Array | None = None
    if total is not None or not there.is_dense:
        of_all = np.arange(rows, dtype=np.int32)[None, :]
        named = backend.asarray(of_all) if there.is_dense else of_all
    if there.sharding is not None:
        share = backend.asarray(np.full(1, 1 / rows), dtype=dtype)
        if named is not None and total is not None:
            named = named[:, there.sharding.own_rows(rows)]
            scale = backend.asarray(np.full(1, rows / total), dtype=dtype)
    return _Point(None, named, share, scale)


def _minimize(objective: Callable[[Host], tuple[float, Host]], start: Host, estimator: Any) -> Any:
    """Return SciPy's result; rank 0 minimizes, and the other ranks evaluate with it."""
    ranks: ProcessGroup = estimator._ranks

    def lead() -> Any:
        try:
            result = scipy.optimize.minimize(
                lambda point: objective(ranks.broadcast(point)),
                start,
                method="L-BFGS-B",
                jac=True,
                options={
                    "maxfun": estimator.max_fun,
                    "maxiter": estimator.max_iter,
                    "gtol": estimator.tol,
                    **({"iprint": 1 if estimator.verbose else -1} if SCIPY_PRINTS else {}),
                },
            )
        finally:
            ranks.broadcast(None)
        del result["hess_inv"]  # It is not used, and large.
        return result

    def help_out() -> None:
        point: Any = ranks.broadcast(None)
        while point is not None:
            objective(point)
            point = ranks.broadcast(None)

    return ranks.broadcast(ranks.on_all_ranks(lead if ranks.is_first else help_out))


@cache
def scipys_own_blas_single_threaded() -> AbstractContextManager[None]:
    """Limit SciPy's BLAS to one thread, if it is a different library than NumPy's.

    Otherwise the threads of both libraries alternate in busy-waiting for the same processors: 200
    rows took 25 times as long on two processors as on one.
    """
    return SharedLimit(_limit)


def _limit() -> AbstractContextManager[Any]:
    controller = ThreadpoolController()
    paths = [library["filepath"] for library in controller.info()]
    # Not by the file's name: NumPy's is also called libscipy_openblas.
    of_scipy = [path for path in paths if "scipy" in Path(path).parent.as_posix()]
    return controller.select(filepath=of_scipy).limit(limits=1)  # type: ignore[no-any-return]


def _loss_and_gradient(there: Placed, rows: int, penalty: float) -> Any:
    """Return a step for `Backend.compile` that computes them for all rows at once."""
    share = loss_scale(there.task) / rows

    def step(data: StepData, _: _Found, batch: _Point) -> _Found:
        theta = batch.theta
        xp = array_namespace(theta)
        own = Batch(theta[:0], batch.rows, sample_weight=batch.share, scale=batch.scale)
        sums = there.sums_of(theta, data, own)
        loss = sums.loss * share + 0.5 * penalty * squared_length(theta, there.task.layer_sizes)
        gradient = xp.astype(sums.gradient, theta.dtype, copy=False)
        return _Found(loss, gradient + penalty * (data.is_weight * theta))

    return step
