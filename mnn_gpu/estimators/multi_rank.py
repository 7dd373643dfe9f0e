"""Fitting on several ranks of an MPI program, with the same data and initial state on all.

scikit-learn makes all decisions, from the initial weights to the last epoch, on every rank, with
the same numbers: parameters and data are compared, the random numbers and the fitted state of rank
0 are broadcast, losses are summed over ranks, and scores are those of rank 0.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.utils.validation import _check_sample_weight

from mnn_gpu.backends import Backend
from mnn_gpu.distributed.agreement import check_same
from mnn_gpu.distributed.connect import ranks_of
from mnn_gpu.distributed.process_group import ProcessGroup, checked_shards
from mnn_gpu.estimators.device_arrays import digest_of
from mnn_gpu.estimators.parameters import settings_of
from mnn_gpu.estimators.solver_state import Split
from mnn_gpu.step.sharding import BatchSharding
from mnn_gpu.storage.safetensors_file import data_digest

FREE = ("comm", "device", "random_state", "verbose")
"""Parameters that may differ between ranks."""


@contextmanager
def synchronized_ranks(estimator: Any, X: Any, weights: Any, incremental: bool) -> Iterator[None]:
    """Connect an estimator to its ranks during a fit; only rank 0 is verbose.

    X is as passed by the user, the weights are on the host. Raises a UsageError if the ranks have
    different parameters or weights.
    """
    if estimator.comm is None:
        yield
        return
    ranks = ranks_of(estimator.comm)
    name = "partial_fit" if incremental else "fit"
    settings = settings_of(estimator, FREE) | {"sample_weight is None": weights is None}
    check_same(ranks, f"{type(estimator).__name__}.{name}", settings)
    if weights is not None:
        checked = ranks.on_all_ranks(lambda: _check_sample_weight(weights, X))
        check_same(ranks, name, {"sample weights": data_digest(checked)})
    verbose = estimator.verbose
    estimator._ranks = ranks
    estimator.verbose = verbose if ranks.is_first else False
    try:
        yield
    finally:
        del estimator._ranks
        estimator.verbose = verbose


def check_same_data(estimator: Any, X: Any, y: npt.NDArray[Any]) -> None:
    """Raise a UsageError unless all ranks fit to the same data, after scikit-learn's checks."""
    ranks: ProcessGroup = estimator._ranks
    if ranks.size > 1:
        classes = np.asarray(getattr(estimator, "classes_", ())).tolist()
        check_same(ranks, "fit", {"data or labels": digest_of(X, y, None), "classes": classes})


def sync_from_rank0(estimator: Any, split: Split | None) -> Split | None:
    """Copy the initial state of rank 0's estimator to all ranks; return rank 0's rows.

    This is all but the parameters: weights, random state, and attributes of an earlier fit.
    """
    ranks: ProcessGroup = estimator._ranks
    parameters = estimator.get_params(deep=False)
    own = {k: v for k, v in vars(estimator).items() if k not in parameters and k != "_ranks"}
    first, rows = ranks.broadcast((own, split))
    if not ranks.is_first:
        vars(estimator).update(first)
        given = estimator.random_state
        if isinstance(given, np.random.RandomState):
            # Later draws from it must be the same on all ranks. (NumPy's global generator, for
            # ``random_state=None``, is not changed: each rank may draw other numbers.)
            given.set_state(estimator._random_state.get_state())
            estimator._random_state = given
    return rows


def sharding_of(ranks: ProcessGroup, backend: Backend) -> BatchSharding | None:
    """Return how the ranks divide each batch, None if this process is alone.

    Raises
    ------
    UsageError
        See `checked_shards`.
    """
    shards = checked_shards(None, ranks, backend)
    if shards is None:
        return None
    sharding = BatchSharding(shards, ranks.rank, ranks.size)
    return replace(sharding, exchange=ranks.exchange(sharding, "float64", backend))
