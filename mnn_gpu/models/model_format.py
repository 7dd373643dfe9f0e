"""The format of model files: names of the tensors, and the metadata."""

from __future__ import annotations

import json
import math
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from mnn_gpu.data.labels import LONGEST
from mnn_gpu.errors import ModelFileError
from mnn_gpu.models.model import Model
from mnn_gpu.nn.parameters import flatten
from mnn_gpu.version import __version__

FORMAT = "mnn_gpu model 2"
FORMER_FORMAT = "mnn_gpu model 1"
"""Its tensors are ``W1, b1, W2, ...``, the biases (outputs, 1)."""
FOREIGN_CURE = "Give a model that train or save_model wrote (.safetensors)."


def tensor_names(l: int, file_format: str) -> tuple[str, str]:
    """Return the names of the weights and the biases of layer l, counted from 1."""
    if file_format == FORMER_FORMAT:
        return f"W{l}", f"b{l}"
    # In torch.nn.Sequential every second module is a ReLU.
    return f"{2 * l - 2}.weight", f"{2 * l - 2}.bias"


def description(model: Model) -> dict[str, str]:
    """Return a model's metadata in a file, without its parameters: text, mostly JSON."""
    return {
        "version": __version__,
        "layer_sizes": json.dumps(list(model.layer_sizes)),
        "classes": json.dumps(model.classes.tolist()),
        "info": json.dumps(dict(model.info)),
        "pixel_max": json.dumps(model.pixel_max),
    }


def checked_description(
    metadata: dict[str, str], path: str | Path
) -> tuple[tuple[int, ...], npt.NDArray[Any], dict[str, Any], float]:
    """Return layer sizes, classes, info and pixel_max from metadata; see `checked_theta`."""
    if metadata.get("format") not in (FORMAT, FORMER_FORMAT):
        raise ModelFileError(
            f"{path} is a safetensors file, but not a model of mnn_gpu "
            f"(its format is {metadata.get('format', 'not given')}).",
            FOREIGN_CURE,
        )
    try:
        sizes = json.loads(metadata["layer_sizes"])
        classes = json.loads(metadata["classes"])
        info = json.loads(metadata["info"])
        pixel_max = json.loads(metadata.get("pixel_max", "255"))
        whole = all(type(n) is int and 0 <= n < 2**53 for n in sizes)
        if (
            not whole
            or not _are_labels(classes)
            or len(sizes) < 2
            or min(sizes) < 1
            or not isinstance(info, dict)
        ):
            raise ValueError("its description has values of the wrong kind")
        if not isinstance(pixel_max, int | float) or not 0 < pixel_max < math.inf:
            raise ValueError("its pixel_max is not a positive number")
        if sizes[-1] != len(classes) or sorted(set(classes)) != classes:
            raise ValueError("its classes do not match its last layer")
    except (KeyError, ValueError, TypeError, RecursionError) as error:
        raise ModelFileError(f"{path} is damaged: {error}.", FOREIGN_CURE) from error
    return tuple(sizes), np.asarray(classes), info, float(pixel_max)


def _are_labels(classes: list[Any]) -> bool:
    """Return whether all are non-negative integers, or all are names."""
    numbers = all(type(label) is int and 0 <= label < 2**53 for label in classes)
    return numbers or all(type(label) is str and 0 < len(label) <= LONGEST for label in classes)


def checked_theta(
    tensors: dict[str, npt.NDArray[Any]],
    sizes: tuple[int, ...],
    file_format: str,
    path: str | Path,
) -> npt.NDArray[Any]:
    """Join the tensors to theta, (parameters,), float32 or float64.

    Raises a ModelFileError, which names the path, if one has not the shape given by the sizes.
    """
    layers = []
    for l, (inputs, outputs) in enumerate(pairwise(sizes), start=1):
        weight, bias = tensor_names(l, file_format)
        layer = tensors.get(weight), tensors.get(bias)
        bias_shape = (outputs, 1) if file_format == FORMER_FORMAT else (outputs,)
        for array, shape in zip(layer, [(outputs, inputs), bias_shape], strict=True):
            if array is None or array.shape != shape or array.dtype.kind != "f":
                raise ModelFileError(
                    f"{path} is damaged: layer {l} is not floats of shape {shape}.", FOREIGN_CURE
                )
        layers.append(layer)
    if len(tensors) > 2 * len(layers):
        raise ModelFileError(f"{path} is damaged: it holds tensors of no layer.", FOREIGN_CURE)
    theta: npt.NDArray[Any] = flatten(layers)
    if theta.dtype == np.float16:
        theta = theta.astype(np.float32)
    if not np.isfinite(theta).all():
        raise ModelFileError(f"{path} holds parameters that are not finite.", FOREIGN_CURE)
    return theta
