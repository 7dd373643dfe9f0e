"""One self-contained HTML file from the page's sources and a model."""

from __future__ import annotations

import base64
import hashlib
import json
from pathlib import Path
from string import Template
from typing import Any

import numpy as np
import numpy.typing as npt

from mnn_gpu.errors import UsageError
from mnn_gpu.models.model import Model
from mnn_gpu.models.model_file import stored_layers
from mnn_gpu.nn.parameters import flatten
from mnn_gpu.storage.atomic_write import check_writable, write_atomically
from mnn_gpu.utils.validation import one_of
from mnn_gpu.version import __version__

SIDE = 28
FLOATS = ("float16", "float32")
SCRIPTS = (
    "scheme",
    "network",
    "digit",
    "strokes",
    "drawing",
    "pen",
    "samples",
    "keys",
    "views",
    "app",
)
ACCURACIES = {"test_accuracy": "test", "held_out_accuracy": "held-out"}
"""What of a model's info the page tells, the first that is there, and of which rows it is."""


def write_page(path: str | Path, model: Model, *, dtype: str | None = None) -> None:
    """Write a page to draw digits on, which a model reads as they are drawn.

    The page is one HTML file that opens from the disk: it needs neither a server nor the
    network, and its Content-Security-Policy forbids it any.

    Parameters
    ----------
    path : path
        Ends in .html by convention. An existing file is replaced.
    model : Model
        Of 28 x 28 inputs, with any hidden layers and classes.
    dtype : {"float16", "float32"}, optional
        What to store the parameters as; the page is then of 2.7 or 5.3 bytes for each, and
        35 kB. Default: float16, three digits of each, and float32 where one of them is
        beyond float16's 65,504.

    Raises
    ------
    OutputError
        If the file cannot be written.
    UsageError
        If the model's inputs are not 28 x 28, the dtype is none of these, or the parameters
        are not finite in it.
    """
    check_writable(path)
    write_atomically(path, page_html(model, dtype=dtype).encode())


def page_html(model: Model, *, dtype: str | None = None) -> str:
    """Return the page that `write_page` writes, as text; it raises what that raises."""
    if model.features != SIDE**2:
        raise UsageError(
            f"The model has {model.features} inputs, and the page draws {SIDE} x {SIDE} pixels.",
            "Give a model that was trained on images of MNIST's shape.",
        )
    style = _source("style.css")
    script = '"use strict";\n' + "\n".join(_source(f"{name}.js") for name in SCRIPTS)
    return Template(_source("page.html")).substitute(
        policy=f"default-src 'none'; img-src data:; base-uri 'none'; form-action 'none'; "
        f"style-src {_digest(style)}; script-src {_digest(script)}",
        style=style,
        script=script,
        model=_json(_data(model, _stored(model, dtype))),
    )


def _data(model: Model, theta: npt.NDArray[Any]) -> dict[str, Any]:
    """Return what the page knows of a model, with its stored parameters."""
    return {
        "layer_sizes": list(model.layer_sizes),
        "classes": [str(label) for label in model.classes.tolist()],
        "version": __version__,
        "accuracy": _accuracy(model),
        "dtype": theta.dtype.name,
        "bytes": theta.nbytes,
        "theta": base64.b64encode(_little_endian(theta)).decode(),
    }


def _stored(model: Model, dtype: str | None) -> npt.NDArray[Any]:
    """Return the parameters as the floats that the page is to hold."""
    if dtype is None:
        small = np.abs(model.theta).max() <= np.finfo(np.float16).max
        dtype = "float16" if small else "float32"
    one_of("dtype", dtype, FLOATS)
    theta: npt.NDArray[Any] = flatten(stored_layers(model, dtype))
    return theta


def _little_endian(theta: npt.NDArray[Any]) -> bytes:
    return theta.astype(theta.dtype.newbyteorder("<")).tobytes()


def _accuracy(model: Model) -> dict[str, Any] | None:
    """Return what the page tells of how well the model does, if its info says."""
    for name, rows in ACCURACIES.items():
        value = model.info.get(name)
        if isinstance(value, int | float) and 0 <= value <= 1:
            return {"rows": rows, "value": float(value)}
    return None


def _json(data: dict[str, Any]) -> str:
    """Return JSON that no HTML parser takes for a tag, a comment or an end of the script."""
    return json.dumps(data).replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _digest(source: str) -> str:
    """Return the name by which a Content-Security-Policy allows an inline source."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(source.encode()).digest()).decode()}'"


def _source(name: str) -> str:
    return (Path(__file__).parent / name).read_text(encoding="utf-8")
