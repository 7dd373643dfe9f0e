"""Models as safetensors files: numbers and text only, no code, written atomically."""

from __future__ import annotations

from difflib import get_close_matches
from pathlib import Path

import numpy as np

from mnn_gpu.errors import ModelFileError, UsageError
from mnn_gpu.models.model import Model
from mnn_gpu.models.model_format import (
    FOREIGN_CURE,
    FORMAT,
    checked_description,
    checked_theta,
    description,
    tensor_names,
)
from mnn_gpu.nn.parameters import Layer
from mnn_gpu.storage.atomic_write import write_atomically
from mnn_gpu.storage.file_kind import check_ending, kind_of
from mnn_gpu.storage.os_errors import READ_CURE, is_of_system, reason_of
from mnn_gpu.storage.safetensors_file import check_header, tensor_file
from mnn_gpu.utils.packages import require
from mnn_gpu.utils.validation import one_of

FLOATS = ("float16", "float32", "float64")
"""Data types in which parameters can be stored."""
SHIPPED = {"record": Path(__file__).parent / "record.safetensors"}
"""Models included in the package, by name."""


def save_model(path: str | Path, model: Model, *, dtype: str | None = None) -> None:
    """Write a model: tensors named as in PyTorch, its description as metadata.

    ``0.weight`` (outputs, inputs), ``0.bias`` (outputs,), ``2.weight``, ... are the
    parameters of ``net = torch.nn.Sequential(Linear, ReLU, Linear, ReLU, Linear)``, so that
    ``net.load_state_dict(safetensors.torch.load_file(path))`` loads it; the network returns
    the last layer's Z, before the softmax.

    The file is written atomically: to a temporary file in the same folder, which is flushed
    to disk and renamed.

    Parameters
    ----------
    path : path
        Ends in .safetensors by convention. An existing file is replaced.
    model : Model
    dtype : {"float16", "float32", "float64"}, optional
        Data type of the stored parameters. Default: the model's. float16 halves the size and
        keeps three digits of each parameter; `load_model` converts it to float32.

    Raises
    ------
    OutputError
        If the file cannot be written.
    UsageError
        If the dtype is not one of these, the parameters are not finite in it, or the name
        has the ending of another format, such as .npz.
    """
    check_model_name(path)
    tensors = {}
    for l, (W, b) in enumerate(stored_layers(model, dtype), start=1):
        weight, bias = tensor_names(l, FORMAT)
        tensors[weight], tensors[bias] = W, b.reshape(-1)
    write_atomically(path, tensor_file(tensors, {"format": FORMAT, **description(model)}))


def check_model_name(path: str | Path) -> None:
    """Raise a UsageError if a file's name has the ending of another format."""
    check_ending(
        Path(path),
        writes="a model is written as safetensors",
        endings=(".safetensors",),
        cure=", and write .npz, .onnx or .html from it with: mnn-gpu export MODEL FILE",
    )


def stored_layers(model: Model, dtype: str | None) -> list[Layer]:
    """Return ``[(W[1], b[1]), ...]`` in the data type to be stored; see `save_model`."""
    if dtype is not None:
        one_of("dtype", dtype, FLOATS)
    with np.errstate(over="ignore"):
        layers = [
            (np.asarray(W, dtype, order="C"), np.asarray(b, dtype, order="C"))
            for W, b in model.layers
        ]
    if not all(np.isfinite(array).all() for layer in layers for array in layer):
        raise UsageError(
            f"The parameters are not finite as {dtype or model.theta.dtype}.",
            "Store them as float32, and do not save a model that diverged.",
        )
    return layers


def path_of_model(path: str | Path) -> str | Path:
    """Return the path of an included model if given its name, else the path itself."""
    return SHIPPED[str(path)] if str(path) in SHIPPED and not Path(path).is_file() else path


def load_model(path: str | Path) -> Model:
    """Read a model written by `save_model`, of this version or an earlier one.

    Parameters
    ----------
    path : path
        Or ``"record"``, if no such file exists: the model included in the package.

    Raises
    ------
    ModelFileError
        If the file is missing, damaged, inconsistent or from another program.
    """
    require("safetensors")
    from safetensors import SafetensorError, safe_open

    path = path_of_model(path)
    try:
        check_header(Path(path))
        with safe_open(path, framework="numpy") as file:
            metadata = file.metadata() or {}
            sizes, classes, info, pixel_max = checked_description(metadata, path)
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except FileNotFoundError as error:
        near = get_close_matches(str(path).lower(), SHIPPED, 1)
        cure = (
            f"Did you mean {near[0]}?"
            if near
            else "Check the path. To train a model: train --out NAME"
        )
        raise ModelFileError(f"There is no model {path}.", cure) from error
    except ModelFileError:
        raise
    except (OSError, SafetensorError, TypeError, AttributeError, ValueError) as error:
        # The last three: data types and shapes that NumPy does not support.
        kind = kind_of(Path(path))
        if kind not in (None, "a model file"):
            raise ModelFileError(
                f"{path} is {kind}, not a model.",
                "Give the model first, then the data; mnn-gpu import reads other programs' models.",
            ) from error
        if is_of_system(error):
            raise ModelFileError(
                f"{path} cannot be read: {reason_of(error)}.", READ_CURE
            ) from error
        raise ModelFileError(
            f"{path} is not a complete model file ({error}).", FOREIGN_CURE
        ) from error
    theta = checked_theta(tensors, sizes, metadata["format"], path)
    return Model(theta, sizes, classes, info, pixel_max)
