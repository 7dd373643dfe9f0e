"""scikit-learn's MLPRegressor, trained by this package."""

from __future__ import annotations

from collections.abc import Sequence
from os import PathLike
from typing import Any, ClassVar

from sklearn import neural_network
from sklearn.utils._param_validation import HasMethods

from mnn_gpu.estimators.base import DevicePerceptron


class MLPRegressor(DevicePerceptron, neural_network.MLPRegressor):  # type: ignore[misc]
    """Multilayer perceptron regressor: scikit-learn's, on the CPU or on a GPU.

    See `MLPClassifier`, whose documentation applies here too.

    Parameters
    ----------
    loss : {"squared_error", "poisson"}
        Half the squared error, or half the Poisson deviance of the exponential of the output.
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

    Examples
    --------
    >>> from sklearn.datasets import make_regression
    >>> X, y = make_regression(200, random_state=0)
    >>> MLPRegressor(solver="lbfgs", random_state=0, device="cpu").fit(X, y).score(X, y)
    0.9...
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **neural_network.MLPRegressor._parameter_constraints,
        "device": [str, None],
        "checkpoint": [str, PathLike, None],
        "comm": [HasMethods(["allgather", "bcast"]), None],
    }

    def __init__(
        self,
        loss: str = "squared_error",
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
            loss=loss,
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
        """Return the prediction for each row, (rows,), or (rows, outputs) if there are several."""
        there = self._rows_on_device(X)
        if there is None:
            return super().predict(X)
        with there.backend.translate_errors():
            A = self._predictions(there)
        return A[:, 0] if self.n_outputs_ == 1 else A
