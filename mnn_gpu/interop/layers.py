"""Building a model from layers, after checking that they are a network of this package."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from mnn_gpu.data.labels import LONGEST, plain_labels
from mnn_gpu.errors import DataError, ModelFileError, UsageError
from mnn_gpu.models.model import Model
from mnn_gpu.nn.parameters import Layer, flatten

Layers = Sequence[Layer]

LARGEST_LABEL = 2**53 - 1
NETWORK_CURE = "Give a network of Linear layers, each with a bias, with ReLU between them."
SHAPE_CURE = "Give weights as (outputs, inputs), transposed if needed, and biases as (outputs,)."
CLASSES_CURE = (
    f"Give a label for each output: different whole numbers from 0 to {LARGEST_LABEL:,}, or "
    "different names."
)
SCALE_CURE = "Give finite numbers, the std above 0: one for all inputs, or one for each."


class Weights(NamedTuple):
    """The content of a model file: layers, labels of the outputs, and information on training."""

    layers: Layers
    classes: npt.NDArray[Any] | None = None
    info: Mapping[str, Any] = {}
    pixel_max: float = 255.0


def assembled(
    weights: Weights,
    source: str,
    *,
    classes: npt.ArrayLike | None = None,
    mean: npt.ArrayLike = 0.0,
    std: npt.ArrayLike = 1.0,
) -> Model:
    """Build a model from layers after checking them; see `import_model`."""
    layers = _checked(weights.layers, source)
    if classes is None:
        classes = weights.classes
    W, b = layers[-1]
    if classes is None and len(b) == 1:
        raise ModelFileError(
            f"{source} has a single output, whose softmax is always 1.",
            "Train it with an output for each class; for two classes that is two.",
        )
    labels = _labels(classes, len(b))
    # A model's classes are sorted.
    order = np.argsort(labels)
    layers[-1] = W[order], b[order]
    layers[0] = _on_unit_range(*layers[0], mean, std)
    sizes = (layers[0][0].shape[1], *(len(b) for _, b in layers))
    theta = flatten(layers)
    labels = labels[order] if labels.dtype.kind == "U" else labels[order].astype(np.int64)
    return Model(theta, sizes, labels, weights.info, weights.pixel_max)


def _checked(layers: Layers, source: str) -> list[Layer]:
    """Return the layers as float32 or float64, biases (outputs, 1), or raise an error."""
    if not layers:
        raise ModelFileError(f"{source} has no layers.", NETWORK_CURE)
    for l, (W, b) in enumerate(layers, start=1):
        if W.dtype.kind != "f" or b.dtype.kind != "f":
            raise ModelFileError(f"{source}: layer {l} does not consist of floats.", NETWORK_CURE)
        if W.ndim != 2 or 0 in W.shape or b.shape not in {(len(W),), (len(W), 1)}:
            raise ModelFileError(
                f"{source}: layer {l} has weights of shape {W.shape} and biases of shape "
                f"{b.shape}.",
                SHAPE_CURE,
            )
    for l, ((before, _), (W, _)) in enumerate(pairwise(layers), start=2):
        if W.shape[1] != len(before):
            raise ModelFileError(
                f"{source}: layer {l} takes {W.shape[1]} inputs, but the previous layer has "
                f"{len(before)} outputs.",
                "Name the layers in the order in which they are applied.",
            )
    wide = any(array.dtype.itemsize > 4 for layer in layers for array in layer)
    dtype = np.float64 if wide else np.float32
    with np.errstate(over="ignore"):
        usable = [(W.astype(dtype), b.astype(dtype).reshape(-1, 1)) for W, b in layers]
    if not all(np.isfinite(array).all() for layer in usable for array in layer):
        raise ModelFileError(f"{source} has parameters that are not finite.", "Train it again.")
    return usable


def _on_unit_range(
    W: npt.NDArray[Any], b: npt.NDArray[Any], mean: npt.ArrayLike, std: npt.ArrayLike
) -> Layer:
    """Return a layer that computes for ``X`` what (W, b) computes for ``(X - mean) / std``."""
    features = W.shape[1]
    try:
        offset, scale = (np.broadcast_to(np.asarray(v, np.float64), features) for v in (mean, std))
    except (TypeError, ValueError) as error:
        raise UsageError(f"mean and std do not match the inputs ({error}).", SCALE_CURE) from error
    with np.errstate(all="ignore"):
        scaled = W / scale
        shifted = b - scaled @ offset[:, None]
        layer = scaled.astype(W.dtype), shifted.astype(b.dtype)
    if not ((scale > 0).all() and all(np.isfinite(array).all() for array in (scale, *layer))):
        raise UsageError(f"mean is {mean!r} and std is {std!r}.", SCALE_CURE)
    return layer


def _labels(classes: npt.ArrayLike | None, outputs: int) -> npt.NDArray[Any]:
    if classes is None:
        return np.arange(outputs)
    try:
        labels = np.asarray(classes)
        if labels.dtype.kind in "OSU":
            labels = plain_labels(labels, "classes")
            # Whole numbers given as text, as on the command line, are read as floats.
            if labels.dtype.kind == "f" and (labels == labels.round()).all():
                labels = labels.astype(np.int64)
    except (ValueError, DataError) as error:
        raise UsageError(f"classes are not a list of labels ({error}).", CLASSES_CURE) from error
    if not usable_classes(labels, outputs):
        raise UsageError(f"classes are {classes}, for {outputs} outputs.", CLASSES_CURE)
    return labels


def usable_classes(classes: npt.NDArray[Any], outputs: int) -> bool:
    """Return whether these can be the labels of ``outputs`` outputs."""
    if classes.shape != (outputs,) or len(np.unique(classes)) != outputs:
        return False
    if classes.dtype.kind == "U":
        return all(0 < len(name) <= LONGEST for name in classes.tolist())
    is_whole = classes.dtype.kind in "iu"
    return bool(is_whole and (classes >= 0).all() and (classes <= LARGEST_LABEL).all())
