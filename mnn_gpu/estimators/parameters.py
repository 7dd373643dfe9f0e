"""The parameters of the estimators: those of scikit-learn's classes, and three more."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Container
from os import PathLike
from typing import Any, TypeVar

import numpy as np
from sklearn.utils._param_validation import HasMethods

E = TypeVar("E")

OWN: dict[str, list[Any]] = {
    "device": [str, None],
    "checkpoint": [str, PathLike, None],
    "comm": [HasMethods(["allgather", "bcast"]), None],
}
"""The three parameters, each None by default, and what they may be."""

DOCUMENTATION = """\
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
    processors according to ``OMP_NUM_THREADS``)."""


def with_parameters(theirs: type) -> Callable[[type[E]], type[E]]:
    """Return a class decorator for a subclass of scikit-learn's class.

    Its constructor takes scikit-learn's parameters, whatever the installed version has, and the
    three of this package. scikit-learn reads the parameters of an estimator from the signature, so
    that has them all; so has the documentation, in place of ``{parameters}``.
    """

    def completed(ours: type[E]) -> type[E]:
        def construct(self: Any, *args: Any, **parameters: Any) -> None:
            super(ours, self).__init__(*args, **parameters)

        own = [inspect.Parameter(n, inspect.Parameter.KEYWORD_ONLY, default=None) for n in OWN]
        signature = inspect.signature(theirs.__init__)  # type: ignore[misc]
        both = [*signature.parameters.values(), *own]
        construct.__signature__ = signature.replace(parameters=both)  # type: ignore[attr-defined]
        class_: Any = ours
        class_.__init__ = construct
        class_._parameter_constraints = {**class_._parameter_constraints, **OWN}
        if ours.__doc__:  # There is none under python -OO.
            text = inspect.cleandoc(ours.__doc__)
            ours.__doc__ = text.replace("{parameters}", DOCUMENTATION)
        return ours

    return completed


def settings_of(estimator: Any, free: Container[str]) -> dict[str, Any]:
    """Return the parameters except some, as JSON values."""
    settings = {k: v for k, v in estimator.get_params(deep=False).items() if k not in free}
    return {name: _plain(value) for name, value in settings.items()}


def _plain(value: Any) -> Any:
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    return list(value) if isinstance(value, tuple) else value
