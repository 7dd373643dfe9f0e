"""What scikit-learn 1.6 lacks: sample weights of its perceptrons, and the Poisson loss."""

from __future__ import annotations

from typing import Any

import sklearn
from sklearn import neural_network
from sklearn.base import is_classifier
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import has_fit_parameter

from mnn_gpu.errors import UsageError

HAS_WEIGHTS: bool = has_fit_parameter(neural_network.MLPClassifier, "sample_weight")
"""Whether scikit-learn's perceptrons take sample weights: from version 1.7."""


def check_available(**features: bool) -> None:
    """Check that none of some features of scikit-learn 1.7 is used with an older version.

    Raises
    ------
    UsageError
        With the first feature that is used.
    """
    for feature, is_used in features.items():
        if is_used and not HAS_WEIGHTS:
            raise UsageError(
                f"{feature} needs scikit-learn 1.7 or newer; version {sklearn.__version__} is "
                "installed.",
                'Run pip install "scikit-learn>=1.7", or fit without it.',
            )


class WithoutWeights:
    """A mixin for scikit-learn 1.6: what is missing is named with the version that has it."""

    def __init__(self, *args: Any, **parameters: Any) -> None:
        check_available(loss="loss" in parameters)
        super().__init__(*args, **parameters)

    def fit(self, X: Any, y: Any, *weights: Any, **named: Any) -> Any:
        check_available(sample_weight=any(w is not None for w in (*weights, *named.values())))
        fit: Any = super()
        return fit.fit(X, y)

    @available_if(lambda estimator: estimator._check_solver())  # type: ignore[untyped-decorator]
    def partial_fit(self, X: Any, y: Any, *others: Any, **named: Any) -> Any:
        weights = [named.pop("sample_weight", None), *(() if is_classifier(self) else others)]
        check_available(sample_weight=any(w is not None for w in weights))
        fit: Any = super()
        return fit.partial_fit(X, y, *(others if is_classifier(self) else ()), **named)


Fit: type = object if HAS_WEIGHTS else WithoutWeights
"""The base of the estimators' mixin."""
