"""Using a trained model: probabilities, predictions, accuracy; in shards, on any device."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias, cast

import numpy as np
import numpy.typing as npt
from array_api_compat import array_namespace

from mnn_gpu import network
from mnn_gpu.backend import Backend, checked_backend
from mnn_gpu.data.dataset import checked_labels, checked_pixels
from mnn_gpu.errors import DataError
from mnn_gpu.model import Model
from mnn_gpu.shards import Shard, slices

Array: TypeAlias = Any


@dataclass(frozen=True)
class Evaluation:
    """How a model does on labelled images.

    Attributes
    ----------
    rows : int
    errors : int
        How many labels it misses.
    accuracy : float
        From 0 to 1.
    loss : float
        Mean cross-entropy in nats.
    """

    rows: int
    errors: int
    accuracy: float
    loss: float


def predict_proba(
    model: Model, X: npt.ArrayLike, backend: Backend | None = None, *, source: str = "X"
) -> npt.NDArray[Any]:
    """Return the probability of every class.

    Parameters
    ----------
    model : Model
    X : (rows, features), or (rows, height, width)
        Pixels as uint8 from 0 to 255 or floats from 0 to 1.
    backend : Backend, optional
        Default: `select_backend()`.
    source : str
        What to call the data in an error message.

    Returns
    -------
    (rows, classes), the model's dtype; column j belongs to ``model.classes[j]``

    Raises
    ------
    DataError
        If the pixels are not such, or their number is not the model's.
    """
    backend = checked_backend(backend)
    X = _checked(model, X, source)
    with backend.explaining():
        return np.concatenate([backend.to_numpy(A).T for A in _outputs(model, X, backend)])


def predict(
    model: Model, X: npt.ArrayLike, backend: Backend | None = None, *, source: str = "X"
) -> npt.NDArray[Any]:
    """Return the most probable label of every image, (rows,) int64; see `predict_proba`."""
    backend = checked_backend(backend)
    X = _checked(model, X, source)
    with backend.explaining():
        parts = [backend.to_numpy(network.predict(A)) for A in _outputs(model, X, backend)]
    return cast("npt.NDArray[Any]", model.classes[np.concatenate(parts)])


def evaluate(
    model: Model,
    X: npt.ArrayLike,
    y: npt.ArrayLike,
    backend: Backend | None = None,
    *,
    source: str = "the data",
) -> Evaluation:
    """Hold a model's answers against the labels.

    Parameters
    ----------
    model : Model
    X : see `predict_proba`
    y : (rows,), the labels
    backend : Backend, optional
        Default: `select_backend()`.
    source : str
        What to call the data in an error message.

    Raises
    ------
    DataError
        If pixels or labels are not such, or a label is none of the model's.
    """
    backend = checked_backend(backend)
    X = _checked(model, X, source)
    index = class_index(model.classes, checked_labels(y, len(X), source), source)
    with backend.explaining():
        layers = _layers(model, backend)
        return score_shards(backend, layers, _shards(X, index, backend))


def score_shards(
    backend: Backend, layers: Sequence[network.Layer], shards: Iterable[Shard]
) -> Evaluation:
    """Hold a network's answers against the labels; all on the device, one look at the end.

    Parameters
    ----------
    backend : Backend
    layers : sequence of (W, b) on the device
    shards : iterable of (X, labels) on the device
        (features, m) pixels or floats, and (m,) class indices.
    """
    dtype = layers[0][0].dtype
    xp = array_namespace(layers[0][0])
    loss: Array = 0.0
    correct: Array = 0
    rows = 0
    for X, labels in shards:
        Z, _ = network.forward(layers, network.unit_range(X, dtype))
        Y = network.one_hot(labels, Z[-1].shape[0], dtype)
        shard_loss, _ = network.score(Z[-1], Y)
        # By the prediction itself: `score` counts a tie as right, `predict` takes the first.
        right = xp.astype(network.predict(Z[-1]) == labels, xp.int32)
        loss, correct, rows = loss + shard_loss, correct + xp.sum(right), rows + X.shape[1]
    hits = int(backend.to_numpy(correct))
    return Evaluation(rows, rows - hits, hits / rows, float(backend.to_numpy(loss)) / rows)


def class_index(
    classes: npt.NDArray[np.int64], y: npt.NDArray[np.int64], source: str
) -> npt.NDArray[np.int32]:
    """Return the position of each label among the classes, (rows,) int32.

    Raises
    ------
    DataError
        If a label is none of the classes, naming its row.
    """
    index = np.minimum(np.searchsorted(classes, y), len(classes) - 1)
    unknown = classes[index] != y
    if unknown.any():
        row = int(np.argmax(unknown))
        raise DataError(
            f"{source}, row {row + 1}: the label {y[row]} is none of the {len(classes)} classes "
            f"that the model knows ({classes[0]} to {classes[-1]}).",
            "Train on data in which every class is present, or leave such rows out.",
        )
    return index.astype(np.int32)


def _checked(model: Model, X: npt.ArrayLike, source: str) -> npt.NDArray[Any]:
    X = checked_pixels(X, source)
    if X.shape[1] != model.features:
        raise DataError(
            f"The images of {source} have {X.shape[1]} pixels, the model was trained on "
            f"{model.features}.",
            "Give images of the size that the model was trained on.",
        )
    return X


def _layers(model: Model, backend: Backend) -> list[network.Layer]:
    return network.unflatten(backend.asarray(model.theta), model.layer_sizes)


def _shards(X: npt.NDArray[Any], index: npt.NDArray[np.int32], backend: Backend) -> Iterator[Shard]:
    """Bring host rows to the device, a shard at a time."""
    for rows in slices(len(X), backend.shard_rows):
        yield backend.asarray(X[rows]).T, backend.asarray(index[rows])


def _outputs(model: Model, X: npt.NDArray[Any], backend: Backend) -> Iterator[Array]:
    """Yield the last layer's activations, (classes, m), shard by shard."""
    layers = _layers(model, backend)
    dtype = layers[0][0].dtype
    for shard, _ in _shards(X, np.zeros(len(X), np.int32), backend):
        _, A = network.forward(layers, network.unit_range(shard, dtype))
        yield A[-1]
