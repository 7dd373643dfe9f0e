"""scikit-learn's MLPClassifier, trained by this package."""

from __future__ import annotations

from collections.abc import Sequence
from os import PathLike
from typing import Any, ClassVar

import numpy as np
from sklearn import neural_network
from sklearn.utils._param_validation import HasMethods

from mnn_gpu.estimators.base import DevicePerceptron
from mnn_gpu.estimators.device_arrays import DeviceRows


class MLPClassifier(DevicePerceptron, neural_network.MLPClassifier):  # type: ignore[misc]
    """Multilayer perceptron classifier: scikit-learn's, on the CPU or on a GPU.

    Everything but the computation is inherited from `sklearn.neural_network.MLPClassifier`, whose
    documentation describes all parameters, attributes, warnings and errors. With the same
    ``random_state`` it gives the same network, up to rounding. New is ``device``; arrays of
    CuPy, torch, JAX and cuDF on a GPU are used in place, and probabilities (and numeric labels)
    are returned as arrays of the same library.

    Parameters
    ----------
    hidden_layer_sizes : sequence of int
        Units of the hidden layers.
    activation : {"relu", "tanh", "logistic", "identity"}
        Activation of the hidden layers.
    solver : {"adam", "sgd", "lbfgs"}
    alpha : float
        Strength of the L2 penalty on the weights.
    batch_size : int or "auto"
        Samples per update; "auto" is ``min(200, rows)``.
    learning_rate : {"constant", "invscaling", "adaptive"}
        Only for "sgd".
    learning_rate_init, power_t : float
    max_iter : int
        Epochs, or iterations of "lbfgs".
    shuffle : bool
    random_state : int, RandomState or None
        Initial weights, order of the samples and held-out rows are drawn from it, as in
        scikit-learn.
    tol : float
    verbose, warm_start : bool
    momentum : float
        Only for "sgd".
    nesterovs_momentum, early_stopping : bool
    validation_fraction, beta_1, beta_2, epsilon : float
    n_iter_no_change : int
    max_fun : int
        Only for "lbfgs".
    device : {"auto", "cpu", "cuda", "cuda:N"}, optional
        Where to train and to predict, see `mnn_gpu.select_backend`; data that are already on a
        GPU are used there. Default: ``MNN_DEVICE``, else "auto".
    checkpoint : path, optional
        A folder in which "adam" and "sgd" store the state of the fit after its last two
        epochs. With ``warm_start`` a new estimator continues an interrupted fit with the same
        result as without the interruption, and loads a completed one without training. To train
        further, raise ``max_iter``, or call ``fit`` again on the fitted estimator.
    comm : mpi4py.MPI.Comm, optional
        The ranks of an MPI program that fit together. All call ``fit`` or ``partial_fit`` with
        the same data and parameters; each computes part of every batch, and all get the same
        estimator, bit-identical for 1 to 8 ranks. If ``random_state`` differs, that of rank 0
        is used; only rank 0 writes checkpoints and is verbose. Predictions and scores are
        computed by each rank separately. Clones have the same communicator; pickles and
        copies, including those that joblib sends to other processes, have none. Default: this
        process only, also in a program of several ranks (which then share a machine's
        processors according to ``OMP_NUM_THREADS``).

    Attributes
    ----------
    coefs_, intercepts_ : lists of (inputs, outputs) and (outputs,)
        On the host, so that the pickle of a model trained on a GPU loads anywhere.
    classes_, loss_, loss_curve_, best_loss_, validation_scores_, best_validation_score_,
    n_iter_, t_, n_layers_, n_outputs_, out_activation_, n_features_in_, feature_names_in_
        See scikit-learn.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> X, y = load_digits(return_X_y=True)
    >>> classifier = MLPClassifier(random_state=0, device="cpu").fit(X[:1000], y[:1000])
    >>> classifier.score(X[1000:], y[1000:])
    0.9...
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **neural_network.MLPClassifier._parameter_constraints,
        "device": [str, None],
        "checkpoint": [str, PathLike, None],
        "comm": [HasMethods(["allgather", "bcast"]), None],
    }

    def __init__(
        self,
        hidden_layer_sizes: Sequence[int] | int = (100,),
        activation: str = "relu",
        *,
        solver: str = "adam",
        alpha: float = 0.0001,
        batch_size: int | str = "auto",
        learning_rate: str = "constant",
        learning_rate_init: float = 0.001,
        power_t: float = 0.5,
        max_iter: int = 200,
        shuffle: bool = True,
        random_state: Any = None,
        tol: float = 1e-4,
        verbose: bool | int = False,
        warm_start: bool = False,
        momentum: float = 0.9,
        nesterovs_momentum: bool = True,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-8,
        n_iter_no_change: int = 10,
        max_fun: int = 15000,
        device: str | None = None,
        checkpoint: str | PathLike[str] | None = None,
        comm: Any = None,
    ) -> None:
        super().__init__(
            hidden_layer_sizes=hidden_layer_sizes,
            activation=activation,
            solver=solver,
            alpha=alpha,
            batch_size=batch_size,
            learning_rate=learning_rate,
            learning_rate_init=learning_rate_init,
            power_t=power_t,
            max_iter=max_iter,
            shuffle=shuffle,
            random_state=random_state,
            tol=tol,
            verbose=verbose,
            warm_start=warm_start,
            momentum=momentum,
            nesterovs_momentum=nesterovs_momentum,
            early_stopping=early_stopping,
            validation_fraction=validation_fraction,
            beta_1=beta_1,
            beta_2=beta_2,
            epsilon=epsilon,
            n_iter_no_change=n_iter_no_change,
            max_fun=max_fun,
        )
        self.device = device
        self.checkpoint = checkpoint
        self.comm = comm

    def predict(self, X: Any) -> Any:
        """Return the class of each row, (rows,), or (rows, classes) of 0 and 1 if multilabel."""
        there = self._rows_on_device(X)
        if there is None:
            return super().predict(X)
        labels = self._predict(there, check_input=False)
        return there.backend.asarray(labels) if labels.dtype.kind in "biuf" else labels

    def predict_proba(self, X: Any) -> Any:
        """Return the probability of each class, (rows, classes), in the order of ``classes_``."""
        there = self._rows_on_device(X)
        return super().predict_proba(X) if there is None else self._probabilities(there)

    def predict_log_proba(self, X: Any) -> Any:
        """Return the logarithm of `predict_proba`."""
        there = self._rows_on_device(X)
        if there is not None:
            return there.backend.xp.log(self._probabilities(there))
        with np.errstate(divide="ignore"):  # The logarithm of 0 is -inf.
            return super().predict_log_proba(X)

    def _probabilities(self, there: DeviceRows) -> Any:
        with there.backend.translate_errors():
            A = self._predictions(there)
            return A if self.n_outputs_ > 1 else there.backend.xp.concat([1 - A, A], axis=1)
