"""Estimators that several ranks fit; `main` fits all of them."""

from __future__ import annotations

import hashlib
import pickle
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.sparse
from sklearn.exceptions import ConvergenceWarning

from mnn_gpu import MLPClassifier, MLPRegressor
from mnn_gpu.estimators.before_1_7 import HAS_WEIGHTS

ROWS = 130
RNG = np.random.default_rng(0)
X = RNG.random((ROWS, 12))
WEIGHTS = RNG.random(ROWS)
CLASSES = X[:, :3].argmax(axis=1)
WORDS = np.array(["one", "two", "three"])[CLASSES]
NUMBERS = X[:, :2] ** 2

FITS: dict[str, tuple[Any, Any, Any, dict[str, Any]]] = {
    "adam": (MLPClassifier, X, CLASSES, {}),
    "sgd": (MLPClassifier, X, WORDS, {"solver": "sgd", "learning_rate": "adaptive", "tol": 1.0}),
    "lbfgs": (MLPClassifier, X, CLASSES, {"solver": "lbfgs"}),
    "early stopping": (MLPClassifier, X, WORDS, {"early_stopping": True, "n_iter_no_change": 2}),
    "two classes": (MLPClassifier, X, CLASSES > 0, {"activation": "tanh"}),
    "multilabel": (MLPClassifier, X, np.stack([CLASSES > 0, CLASSES > 1], 1).astype(int), {}),
    "fewer samples than shards": (MLPClassifier, X, CLASSES, {"batch_size": 3, "max_iter": 2}),
    "float32": (MLPClassifier, X.astype(np.float32), CLASSES, {"batch_size": 50}),
    "sparse": (MLPClassifier, scipy.sparse.csr_array(X), CLASSES, {}),
    "regressor": (MLPRegressor, X, NUMBERS, {"early_stopping": True}),
    "lbfgs regressor": (MLPRegressor, X, NUMBERS[:, 0], {"solver": "lbfgs"}),
}


def fitted(name: str, weights: npt.NDArray[Any] | None, comm: Any = None) -> Any:
    """Fit one of them."""
    kind, rows, targets, settings = FITS[name]
    settings = {"hidden_layer_sizes": (6,), "max_iter": 5, "random_state": 0, **settings}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return kind(**settings, device="cpu", comm=comm).fit(rows, targets, weights)


def bits_of(estimator: Any) -> str:
    """Return the bits of a fitted estimator, as text for comparison."""
    arrays = [*estimator.coefs_, *estimator.intercepts_, estimator.loss_]
    digest = hashlib.sha256(b"".join(np.asarray(array).tobytes() for array in arrays))
    return f"{digest.hexdigest()} {estimator.n_iter_}"


def main(file: str) -> None:
    """Fit all of them on all ranks, check that the ranks agree; rank 0 pickles the results."""
    from mpi4py import MPI

    comm = MPI.COMM_WORLD
    found = {
        (name, weighted): fitted(name, WEIGHTS if weighted else None, comm)
        for name in FITS
        for weighted in ((False, True) if HAS_WEIGHTS else (False,))
    }
    bits = comm.allgather([bits_of(estimator) for estimator in found.values()])
    assert all(others == bits[0] for others in bits)
    if comm.rank == 0:
        Path(file).write_bytes(pickle.dumps(found))
