"""Models as safetensors files: numbers and text only, no code, written atomically."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from mnn_gpu import __version__, network
from mnn_gpu.checks import one_of
from mnn_gpu.errors import ModelFileError, UsageError
from mnn_gpu.model import Model
from mnn_gpu.output_file import write_atomically

FORMAT = "mnn_gpu model 1"
SHIPPED = {"record": Path(__file__).parent / "models" / "record.safetensors"}
"""Models that come with the package, by name."""
FOREIGN_CURE = "Give a model that train or save_model wrote (.safetensors)."


def save_model(path: str | Path, model: Model, *, dtype: str | None = None) -> None:
    """Write a model: tensors ``W1, b1, W2, ...`` and its description as metadata.

    The file appears whole or not at all: it is written beside its place, flushed to the
    disk and renamed.

    Parameters
    ----------
    path : path
        Ends in .safetensors by convention. An existing file is replaced.
    model : Model
    dtype : {"float16", "float32", "float64"}, optional
        What to store the parameters as. Default: as they are. Half the size, float16
        keeps three digits of each; `load_model` makes float32 of them.

    Raises
    ------
    OutputError
        If the file cannot be written.
    UsageError
        If the dtype is none of these, or the parameters are not finite in it.
    """
    from safetensors.numpy import save

    if dtype is not None:
        one_of("dtype", dtype, ("float16", "float32", "float64"))
    tensors = {}
    for l, (W, b) in enumerate(model.layers, start=1):
        tensors[f"W{l}"], tensors[f"b{l}"] = (
            np.asarray(array, dtype=dtype, order="C") for array in (W, b)
        )
    if not all(np.isfinite(array).all() for array in tensors.values()):
        raise UsageError(
            f"The parameters are not finite as {dtype or model.theta.dtype}.",
            "Store them as float32, and do not save a model that diverged.",
        )
    metadata = {
        "format": FORMAT,
        "version": __version__,
        "layer_sizes": json.dumps(list(model.layer_sizes)),
        "classes": json.dumps(model.classes.tolist()),
        "info": json.dumps(dict(model.info)),
    }
    write_atomically(path, save(tensors, metadata))


def load_model(path: str | Path) -> Model:
    """Read a model that `save_model` wrote.

    Parameters
    ----------
    path : path
        Or ``"record"``, if there is no such file: the model that comes with the package.

    Raises
    ------
    ModelFileError
        If the file is missing, damaged, of another program, or does not fit together.
    """
    from safetensors import SafetensorError, safe_open

    if str(path) in SHIPPED and not Path(path).is_file():
        path = SHIPPED[str(path)]
    try:
        with safe_open(path, framework="numpy") as file:
            metadata = file.metadata() or {}
            sizes, classes, info = _description(metadata, path)
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except FileNotFoundError as error:
        raise ModelFileError(
            f"There is no model {path}.", "Train one with: train --out " + str(path)
        ) from error
    except (OSError, SafetensorError, TypeError, AttributeError) as error:
        # The last two: element types that NumPy does not know.
        raise ModelFileError(
            f"{path} is not a whole model file ({error}).", FOREIGN_CURE
        ) from error
    return Model(_theta(tensors, sizes, path), sizes, classes, info)


def _description(
    metadata: dict[str, str], path: str | Path
) -> tuple[tuple[int, ...], npt.NDArray[np.int64], dict[str, Any]]:
    if metadata.get("format") != FORMAT:
        raise ModelFileError(
            f"{path} is a safetensors file, but not a model of mnn_gpu "
            f"(its format is {metadata.get('format', 'not given')}).",
            FOREIGN_CURE,
        )
    try:
        sizes = json.loads(metadata["layer_sizes"])
        classes = json.loads(metadata["classes"])
        info = json.loads(metadata["info"])
        whole = all(type(n) is int and 0 <= n < 2**53 for n in [*sizes, *classes])
        if not whole or len(sizes) < 2 or min(sizes) < 1 or not isinstance(info, dict):
            raise ValueError("its description has values of the wrong kind")
        if sizes[-1] != len(classes) or sorted(set(classes)) != classes:
            raise ValueError("its classes do not fit its last layer")
    except (KeyError, ValueError, TypeError, RecursionError) as error:
        raise ModelFileError(f"{path} is damaged: {error}.", FOREIGN_CURE) from error
    return tuple(sizes), np.asarray(classes, np.int64), info


def _theta(
    tensors: dict[str, npt.NDArray[Any]], sizes: tuple[int, ...], path: str | Path
) -> npt.NDArray[Any]:
    """Join the tensors after seeing that each has the shape the sizes demand."""
    layers = []
    for l, (inputs, outputs) in enumerate(pairwise(sizes), start=1):
        layer = tensors.get(f"W{l}"), tensors.get(f"b{l}")
        for array, shape in zip(layer, [(outputs, inputs), (outputs, 1)], strict=True):
            if array is None or array.shape != shape or array.dtype.kind != "f":
                raise ModelFileError(
                    f"{path} is damaged: layer {l} is not floats of shape {shape}.", FOREIGN_CURE
                )
        layers.append(layer)
    theta: npt.NDArray[Any] = network.flatten(layers)
    if theta.dtype == np.float16:
        theta = theta.astype(np.float32)
    if not np.isfinite(theta).all():
        raise ModelFileError(f"{path} holds parameters that are not finite.", FOREIGN_CURE)
    return theta
