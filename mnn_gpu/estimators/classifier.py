"""scikit-learn's MLPClassifier, trained by this package."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn import neural_network

from mnn_gpu.estimators.base import DevicePerceptron
from mnn_gpu.estimators.device_arrays import DeviceRows
from mnn_gpu.estimators.parameters import with_parameters


@with_parameters(neural_network.MLPClassifier)
class MLPClassifier(DevicePerceptron, neural_network.MLPClassifier):  # type: ignore[misc]
    """Multilayer perceptron classifier: scikit-learn's, on the CPU or on a GPU.

    Everything but the computation is inherited from `sklearn.neural_network.MLPClassifier`, whose
    documentation describes all parameters, attributes, warnings and errors. With the same
    ``random_state`` it gives the same network, up to rounding. New is ``device``; arrays of
    CuPy, torch, JAX and cuDF on a GPU are used in place, and probabilities (and numeric labels)
    are returned as arrays of the same library.

    Parameters
    ----------
    {parameters}

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
