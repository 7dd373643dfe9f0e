"""Importing networks from scikit-learn, without importing scikit-learn."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from mnn_gpu.errors import ModelFileError, UsageError
from mnn_gpu.interop.layers import Layers, Weights, assembled
from mnn_gpu.models.model import Model
from mnn_gpu.nn.parameters import Layer

CURE = 'Train an MLPClassifier(activation="relu") on one column of labels.'


def from_sklearn(classifier: Any, *, mean: npt.ArrayLike = 0.0, std: npt.ArrayLike = 1.0) -> Model:
    """Convert a fitted ``sklearn.neural_network.MLPClassifier`` to a model.

    The logistic output of a classifier of two classes is converted to two outputs with a softmax
    and equal probabilities: sigmoid(z) = softmax(0, z).

    Parameters
    ----------
    classifier : MLPClassifier
        Fitted, with ReLU. Any class with the attributes ``coefs_``, ``intercepts_``,
        ``classes_``, ``activation`` and ``out_activation_``.
    mean, std : float or (features,)
        See `import_model`; ``mean_`` and ``scale_`` of a preceding StandardScaler.

    Returns
    -------
    Model
        float64 if any of the arrays is, as scikit-learn's are by default; else float32.

    Raises
    ------
    UsageError
        If it is not fitted, or mean or std do not match the inputs.
    ModelFileError
        If it is a regressor or a multilabel classifier, has another activation, or has
        labels that are not whole numbers.
    """
    source = f"the {type(classifier).__name__}"
    coefs = getattr(classifier, "coefs_", None)
    if coefs is None:
        raise UsageError(f"{source} has no coefs_.", "Give an MLPClassifier after its fit.")
    layers = [
        (np.asarray(W).T, np.asarray(b)) for W, b in zip(coefs, classifier.intercepts_, strict=True)
    ]
    if len(layers) > 1 and classifier.activation != "relu":
        raise ModelFileError(
            f"{source} has the activation {classifier.activation}, not relu.", CURE
        )
    layers = _with_softmax(layers, classifier.out_activation_, source)
    labels = np.asarray(classifier.classes_)
    if labels.dtype.kind not in "iu":
        raise ModelFileError(
            f"{source} has labels that are not integers, such as {labels[0]!r}.",
            "Fit it on whole numbers: fit(X, y.astype(int)), or numpy.unique's return_inverse.",
        )
    info = {"imported_from": type(classifier).__name__}
    return assembled(Weights(layers, labels, info), source, mean=mean, std=std)


def _with_softmax(layers: Layers, out_activation: str, source: str) -> list[Layer]:
    """Return layers with a softmax output that are equivalent to these with their own output."""
    W, b = layers[-1]
    if out_activation == "softmax":
        return list(layers)
    if out_activation == "logistic" and len(b) == 1:
        return [*layers[:-1], (_below_zeros(W), _below_zeros(b))]
    kind = "several labels at once" if out_activation == "logistic" else "numbers, not classes"
    raise ModelFileError(f"{source} predicts {kind}.", CURE)


def _below_zeros(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    return np.concat([np.zeros_like(array), array])
