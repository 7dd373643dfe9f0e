"""The hooks that replace the computations of scikit-learn's perceptrons.

scikit-learn validates parameters, data and labels, initializes the weights, and decides when to
stop. Its loops over the data and its forward pass are replaced by those of this package.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from os import PathLike
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
from sklearn.base import is_classifier
from sklearn.metrics import accuracy_score, r2_score
from sklearn.utils.validation import check_is_fitted, validate_data

from mnn_gpu.backends import Backend, select_backend
from mnn_gpu.backends.arrays import without_gradients
from mnn_gpu.distributed.agreement import check_same
from mnn_gpu.distributed.process_group import ProcessGroup
from mnn_gpu.errors import DeviceError, FallbackWarning, UsageError, in_python, warn
from mnn_gpu.estimators.before_1_7 import Fit
from mnn_gpu.estimators.device_arrays import DeviceRows, device_rows, is_sparse, on_host
from mnn_gpu.estimators.device_fit import task_of, theta_of
from mnn_gpu.estimators.lbfgs_fit import fit_lbfgs
from mnn_gpu.estimators.multi_rank import check_same_data, synchronized_ranks
from mnn_gpu.estimators.sgd_fit import fit_stochastic
from mnn_gpu.nn import network
from mnn_gpu.nn.activations import ACTIVATIONS
from mnn_gpu.nn.losses import OUTPUTS
from mnn_gpu.nn.parameters import unflatten
from mnn_gpu.step.microbatches import joined, microbatch_slices

Array: TypeAlias = Any


class DevicePerceptron(Fit):  # type: ignore[misc]
    """A mixin for scikit-learn's classes, listed before them."""

    device: str | None
    checkpoint: str | PathLike[str] | None
    comm: Any
    _predict: Any
    # The ranks of ``comm`` during a fit, this process alone otherwise.
    _ranks = ProcessGroup()

    def __init__(
        self,
        *args: Any,
        device: str | None = None,
        checkpoint: str | PathLike[str] | None = None,
        comm: Any = None,
        **parameters: Any,
    ) -> None:
        super().__init__(*args, **parameters)
        self.device, self.checkpoint, self.comm = device, checkpoint, comm

    # ---- training: scikit-learn's hooks ----------------------------------------------

    def _fit(self, X: Any, y: Any, sample_weight: Any = None, incremental: bool = False) -> Any:
        X, weights = without_gradients(X), None if sample_weight is None else on_host(sample_weight)
        given = {} if weights is None else {"sample_weight": weights}
        fit: Any = super()
        # scikit-learn checks at the end that the parameters are finite.
        with np.errstate(all="ignore"), synchronized_ranks(self, X, weights, incremental):
            return fit._fit(X, y, incremental=incremental, **given)

    def _validate_input(self, X: Any, y: Any, incremental: bool, reset: bool) -> tuple[Any, Any]:
        check: Any = super()

        def checked() -> tuple[Any, Any]:
            there = device_rows(X)
            seen = X if there is None else there.stand_in()
            rows, targets = check._validate_input(seen, on_host(y), incremental, reset)
            return rows if there is None else there, targets

        data = self._ranks.on_all_ranks(checked)
        check_same_data(self, *data)
        return data

    def _fit_stochastic(self, X: Any, y: npt.NDArray[Any], *others: Any) -> None:
        *buffers, incremental = others
        with self._working(X) as backend:
            fit_stochastic(self, X, y, _weights(buffers), incremental, backend)

    def _fit_lbfgs(self, X: Any, y: npt.NDArray[Any], *buffers: Any) -> None:
        if self.checkpoint is not None:
            raise UsageError("lbfgs keeps no checkpoints.", "Fit with adam or sgd, or without.")
        with self._working(X) as backend:
            fit_lbfgs(self, X, y, _weights(buffers), backend)

    @contextmanager
    def _working(self, X: Any) -> Iterator[Backend]:
        """Use the device that the data are on, or that the parameters name."""
        ranks, there = self._ranks, X.backend if isinstance(X, DeviceRows) else None
        backend = ranks.on_all_ranks(lambda: there or ranks.backend(self.device))
        check_same(ranks, "fit", {"backend": backend.name})
        # OpenBLAS sums in a different order for each number of threads.
        one_thread = nullcontext() if self.comm is None else backend.single_threaded()
        with backend.translate_errors(), one_thread:
            yield backend

    def _score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """Return the score of the predictions for validated rows; NaN if they are not finite."""

        def scored() -> Any:
            answers = self._predict(X, check_input=False)
            if answers.dtype.kind == "f" and not np.isfinite(answers).all():
                return np.nan
            metric = accuracy_score if is_classifier(self) else r2_score
            return metric(y, answers, sample_weight=sample_weight)

        score: Any = self._ranks.on_rank0(scored)
        found: float = self._ranks.broadcast(score)
        return found

    # ---- copies -----------------------------------------------------------------------

    def __getstate__(self) -> dict[str, Any]:
        """Return the state to pickle, without communicator: a model also loads without MPI."""
        pickled: Any = super()
        return {k: v for k, v in pickled.__getstate__().items() if k != "_ranks"} | {"comm": None}

    def __sklearn_clone__(self) -> Any:
        """Return a new estimator with these parameters and the same communicator."""
        # Communicators of mpi4py other than COMM_WORLD cannot be copied.
        alone: Any = super(DevicePerceptron, copy.copy(self))
        new = alone.__sklearn_clone__()
        new.comm = self.comm
        return new

    def _get_doc_link(self) -> str:
        """Return the documentation page of scikit-learn's class, to which the HTML links."""
        theirs = next(c for c in type(self).__mro__ if c.__module__.startswith("sklearn.neural"))
        link: str = theirs()._get_doc_link()
        return link

    # ---- prediction and scores ---------------------------------------------------------

    def _forward_pass_fast(self, X: Any, check_input: bool = True) -> npt.NDArray[Any]:
        """Return the last layer's ``A``, (rows, outputs), on the host."""
        if check_input:
            X = without_gradients(X)
            X = validate_data(self, X, accept_sparse=["csr", "csc"], reset=False)
        if is_sparse(X):
            sparse: Any = super()
            answers: npt.NDArray[Any] = sparse._forward_pass_fast(X, check_input=False)
            return answers
        if isinstance(X, DeviceRows):
            there: npt.NDArray[Any] = X.backend.to_numpy(self._predictions(X))
            return there
        backend = self._backend_for_use()
        dtype = np.result_type(X.dtype, theta_of(self).dtype)
        with backend.translate_errors():
            parts = (
                DeviceRows(backend.asarray(X[rows], dtype), dtype, backend)
                for rows in microbatch_slices(len(X), backend.shard_rows)
            )
            of_all: npt.NDArray[Any] = joined(
                [backend.to_numpy(self._predictions(p)) for p in parts]
            )
        return of_all

    def _predictions(self, X: DeviceRows) -> Array:
        """Return the last layer's ``A``, (rows, outputs), on the device."""
        task, backend = task_of(self), X.backend
        theta = backend.asarray(theta_of(self), dtype=X.dtype)
        layers = unflatten(theta, task.layer_sizes)
        hidden, output = ACTIVATIONS[task.activation], OUTPUTS[task.output].function
        answers = [
            network.forward(layers, X.array[rows, :].T, (), hidden, output)[1][-1].T
            for rows in microbatch_slices(len(X), backend.shard_rows)
        ]
        return joined(answers)

    def _rows_on_device(self, X: Any) -> DeviceRows | None:
        """Return the rows of an array on a GPU, if the estimator is fitted to such rows."""
        check_is_fitted(self)
        there = device_rows(X)
        if there is not None:
            validate_data(self, there.stand_in(), reset=False)
        return there

    def _backend_for_use(self) -> Backend:
        """Return the backend, or the CPU's if the model was trained on another machine."""
        try:
            return select_backend(self.device)
        except DeviceError as error:
            message = f"Using the CPU. {error.cause} {in_python(error.cure)}"
            warn(message, FallbackWarning)
            return select_backend("cpu")

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """Return scikit-learn's score of the predictions for X; all arrays may be on a GPU.

        Parameters
        ----------
        X : (rows, features)
        y : (rows,) or (rows, outputs)
        sample_weight : (rows,), optional

        Returns
        -------
        float
            The accuracy of a classifier, the R^2 of a regressor.
        """
        weights = None if sample_weight is None else on_host(sample_weight)
        there, own = self._rows_on_device(X), self
        scores: Any = super() if there is None else own
        score = scores.score if there is None else scores._score
        found: float = score(X if there is None else there, on_host(y), sample_weight=weights)
        return found


def _weights(buffers: Sequence[Any]) -> npt.NDArray[Any] | None:
    """Return the weights that scikit-learn 1.7 passes before its buffers and layer sizes."""
    *weights, _activations, _deltas, _coef_grads, _intercept_grads, _sizes = buffers
    return weights[0] if weights else None
