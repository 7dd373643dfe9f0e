"""NumPy archives: arrays with the names and shapes of the formulas, without pickle."""

from __future__ import annotations

import io
import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from mnn_gpu.data.archive import open_archive
from mnn_gpu.data.npz import read_member
from mnn_gpu.errors import DataError, ModelFileError
from mnn_gpu.interop.layers import Weights, usable_classes
from mnn_gpu.interop.tensor_names import layers_by_name
from mnn_gpu.models.model import Model
from mnn_gpu.models.model_file import stored_layers
from mnn_gpu.storage.atomic_write import write_atomically
from mnn_gpu.version import __version__

ABOUT = ("layer_sizes", "classes", "info", "pixel_max", "version")
"""Arrays of an archive other than parameters."""
CURE = "Save the parameters as W1, b1, W2, b2, ... or by PyTorch's names, with numpy.savez."


def write_npz(path: str | Path, model: Model, *, dtype: str | None = None) -> None:
    """Write a model as a NumPy archive, for ``numpy.load(path, allow_pickle=False)``.

    The parameters are those of the formulas: ``W1`` (outputs, inputs), ``b1`` (outputs, 1),
    ``W2``, ``b2``, ...; further arrays are ``layer_sizes`` and ``classes``, int64 or str,
    ``info``, JSON text, ``pixel_max`` and ``version``. For pixels ``X`` (features, m), divided
    by ``pixel_max``, with one image per column, prediction with two hidden layers is::

        A1 = np.maximum(model["W1"] @ X + model["b1"], 0)
        A2 = np.maximum(model["W2"] @ A1 + model["b2"], 0)
        labels = model["classes"][np.argmax(model["W3"] @ A2 + model["b3"], axis=0)]

    See `export_model` for parameters and errors.
    """
    arrays: dict[str, npt.NDArray[Any]] = {}
    for l, (W, b) in enumerate(stored_layers(model, dtype), start=1):
        arrays[f"W{l}"], arrays[f"b{l}"] = W, b
    arrays |= {
        "layer_sizes": np.asarray(model.layer_sizes, np.int64),
        "classes": model.classes,
        "info": np.array(json.dumps(dict(model.info))),
        "pixel_max": np.array(float(model.pixel_max)),
        "version": np.array(__version__),
    }
    content = io.BytesIO()
    np.savez(content, **arrays)  # type: ignore[arg-type]
    write_atomically(path, content.getvalue())


def read_npz(path: Path) -> Weights:
    """Read a file written by `write_npz`, or parameters saved with PyTorch's names.

    Raises
    ------
    ModelFileError
        If the archive is damaged, contains pickled objects, or is not a network of this package.
    """
    try:
        with open_archive(path) as archive:
            arrays = {
                name.removesuffix(".npy"): read_member(archive, name, path)
                for name in archive.namelist()
            }
    except DataError as error:
        raise ModelFileError(error.cause, error.cure) from error
    about = {name: arrays.pop(name) for name in ABOUT if name in arrays}
    layers = layers_by_name(arrays, str(path))
    classes = about.get("classes")
    if classes is not None and not usable_classes(classes, len(layers[-1][1])):
        raise ModelFileError(f"{path}: its classes do not match its last layer.", CURE)
    return Weights(layers, classes, _info(about.get("info"), path), _pixel_max(about, path))


def _pixel_max(about: Mapping[str, npt.NDArray[Any]], path: Path) -> float:
    """Return the largest pixel value; 255 in files of other programs and of earlier versions."""
    value = about.get("pixel_max", np.array(255.0))
    if value.shape != () or value.dtype.kind != "f" or not 0 < value < math.inf:
        raise ModelFileError(f"{path}: its pixel_max is not a positive number.", CURE)
    return float(value)


def _info(text: npt.NDArray[Any] | None, path: Path) -> dict[str, Any]:
    """Return the mapping in a JSON text; an empty one without text."""
    try:
        info = {} if text is None else json.loads(str(text[()]))
        if not isinstance(info, dict):
            raise TypeError("it is not a mapping")
    except (ValueError, TypeError, RecursionError) as error:
        raise ModelFileError(f"{path}: its info is not JSON ({error}).", CURE) from error
    return info
