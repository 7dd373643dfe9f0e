"""ONNX files, for onnxruntime, OpenCV and other runtimes, on computers, phones, in browsers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mnn_gpu.errors import UsageError
from mnn_gpu.models.model import Model
from mnn_gpu.models.model_file import FLOATS, stored_layers
from mnn_gpu.models.model_format import description
from mnn_gpu.storage.atomic_write import write_atomically
from mnn_gpu.utils.packages import require
from mnn_gpu.utils.validation import one_of
from mnn_gpu.version import __version__

if TYPE_CHECKING:
    import onnx

OPSET, IR_VERSION = 13, 7
"""From ONNX 1.8 (2020). The first opset whose Softmax acts along a single axis, so that it is
unambiguous for every runtime. No later opset is needed, which older runtimes would reject."""
LARGEST, ROOM = 2**31 - 1, 2**20
"""Largest size in bytes of a protobuf message, such as an ONNX file, less a reserve for all but
the parameters."""
FEEDING = (
    "pixels: (N, {features}) float32 from 0 to 1 (values / {pixel_max:g}), one image per row, "
    "row by row. probabilities: (N, classes). label: (N,), the most probable class."
)


def write_onnx(path: str | Path, model: Model, *, dtype: str | None = None) -> None:
    """Write a model as ONNX: pixels in, probabilities and labels out.

    Input: ``pixels`` (N, features), float32, 0 to 1; N is variable. Outputs: ``probabilities``
    (N, classes), float32, and ``label`` (N,), int64 or string, the most probable of the model's
    classes. The file's metadata describe its input and its training. Files with float16 are
    computed in float32, files with float64 in float64, which few runtimes support.

    See `export_model` for parameters and errors.
    """
    dtype = dtype or "float32"
    one_of("dtype", dtype, FLOATS)
    if model.theta.size * np.dtype(dtype).itemsize > LARGEST - ROOM:
        raise UsageError(
            "The model is too large for ONNX, whose files are limited to 2 GB.",
            "Store it as float16, or export it as .npz or .safetensors.",
        )
    write_atomically(path, to_onnx(model, dtype).SerializeToString())


def to_onnx(model: Model, dtype: str) -> onnx.ModelProto:
    """Return the model that `write_onnx` writes."""
    require("onnx")
    from onnx import TensorProto, helper, numpy_helper

    layers = stored_layers(model, dtype)
    names = model.classes.dtype.kind == "U"
    constants = {"classes": model.classes.astype(object if names else np.int64)}
    for l, (W, b) in enumerate(layers, start=1):
        constants |= {f"W{l}": W, f"b{l}": b.reshape(-1)}
    value = helper.make_tensor_value_info
    probabilities = value("probabilities", TensorProto.FLOAT, ["N", len(model.classes)])
    graph = helper.make_graph(
        list(_nodes(len(layers), layers[0][0].dtype)),
        "mnn_gpu",
        [value("pixels", TensorProto.FLOAT, ["N", model.features])],
        [probabilities, value("label", TensorProto.STRING if names else TensorProto.INT64, ["N"])],
        [numpy_helper.from_array(array, name) for name, array in constants.items()],
    )
    made = helper.make_model(
        graph,
        ir_version=IR_VERSION,
        opset_imports=[helper.make_opsetid("", OPSET)],
        producer_name="mnn_gpu",
        producer_version=__version__,
    )
    feeding = FEEDING.format(features=model.features, pixel_max=model.pixel_max)
    helper.set_model_props(made, {**description(model), "how_to_feed_it": feeding})
    return made


def _nodes(depth: int, dtype: np.dtype[Any]) -> Iterator[onnx.NodeProto]:
    """Yield the nodes of the formulas; rows are samples: ``Z[l] = A[l-1] W[l]^T + b[l]``."""
    from onnx import TensorProto
    from onnx.helper import make_node

    A = "pixels"
    if dtype == np.float64:
        A = "A0"
        yield make_node("Cast", ["pixels"], [A], to=TensorProto.DOUBLE)
    for l in range(1, depth + 1):
        W, b, Z = f"W{l}", f"b{l}", f"Z{l}"
        if dtype == np.float16:
            for name in (W, b):
                yield make_node("Cast", [name], [f"{name}_float"], to=TensorProto.FLOAT)
            W, b = f"{W}_float", f"{b}_float"
        yield make_node("Gemm", [A, W, b], [Z], transB=1)
        if l < depth:
            A = f"A{l}"
            yield make_node("Relu", [Z], [A])
    if dtype == np.float64:
        yield make_node("Softmax", [Z], ["probabilities_double"], axis=1)
        yield make_node("Cast", ["probabilities_double"], ["probabilities"], to=TensorProto.FLOAT)
    else:
        yield make_node("Softmax", [Z], ["probabilities"], axis=1)
    yield make_node("ArgMax", [Z], ["index"], axis=1, keepdims=0)
    yield make_node("Gather", ["classes", "index"], ["label"])
