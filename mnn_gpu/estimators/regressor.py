"""scikit-learn's MLPRegressor, trained by this package."""

from __future__ import annotations

from typing import Any

from sklearn import neural_network

from mnn_gpu.estimators.base import DevicePerceptron
from mnn_gpu.estimators.parameters import with_parameters


@with_parameters(neural_network.MLPRegressor)
class MLPRegressor(DevicePerceptron, neural_network.MLPRegressor):  # type: ignore[misc]
    """Multilayer perceptron regressor: scikit-learn's, on the CPU or on a GPU.

    See `MLPClassifier`, whose documentation applies here too.

    Parameters
    ----------
    loss : {"squared_error", "poisson"}
        Half the squared error, or half the Poisson deviance of the exponential of the output
        (only with scikit-learn 1.7 or newer).
    {parameters}

    Examples
    --------
    >>> from sklearn.datasets import make_regression
    >>> X, y = make_regression(200, random_state=0)
    >>> MLPRegressor(solver="lbfgs", random_state=0, device="cpu").fit(X, y).score(X, y)
    0.9...
    """

    def predict(self, X: Any) -> Any:
        """Return the prediction for each row, (rows,), or (rows, outputs) if there are several."""
        there = self._rows_on_device(X)
        if there is None:
            return super().predict(X)
        with there.backend.translate_errors():
            A = self._predictions(there)
        return A[:, 0] if self.n_outputs_ == 1 else A
