"""Building one self-contained HTML file from the page's sources and a model."""

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
"""Entries of a model's info that the page may show, and their rows; the first one present is used.
"""


def write_page(path: str | Path, model: Model, *, dtype: str | None = None) -> None:
    """Write a page to draw digits on, which shows the model's predictions while drawing.

    The page is one HTML file that can be opened from disk: it needs neither a server nor the
    network, and its Content-Security-Policy blocks network access.

    The parameters are stored as float16, with three digits, or float32, in 2.7 or 5.3 bytes each.
    The default is float16, unless a parameter exceeds its maximum of 65,504.

    See `export_model` for parameters and errors.
    """
    check_writable(path)
    write_atomically(path, page_html(model, dtype=dtype).encode())


def page_html(model: Model, *, dtype: str | None = None) -> str:
    """Return the page as text; see `write_page`."""
    if model.features != SIDE**2:
        raise UsageError(
            f"The model has {model.features} inputs, but the page draws {SIDE} x {SIDE} pixels.",
            "Give a model that was trained on images of MNIST's size.",
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
    """Return the page's data of a model, with the stored parameters."""
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
    """Return the parameters in the data type to be stored in the page."""
    if dtype is None:
        small = np.abs(model.theta).max() <= np.finfo(np.float16).max
        dtype = "float16" if small else "float32"
    one_of("dtype", dtype, FLOATS)
    theta: npt.NDArray[Any] = flatten(stored_layers(model, dtype))
    return theta


def _little_endian(theta: npt.NDArray[Any]) -> bytes:
    return theta.astype(theta.dtype.newbyteorder("<")).tobytes()


def _accuracy(model: Model) -> dict[str, Any] | None:
    """Return the accuracy that the page shows, if the model's info contains one."""
    for name, rows in ACCURACIES.items():
        value = model.info.get(name)
        if isinstance(value, int | float) and 0 <= value <= 1:
            return {"rows": rows, "value": float(value)}
    return None


def _json(data: dict[str, Any]) -> str:
    """Return JSON escaped so that an HTML parser finds no tag, comment or end of script in it."""
    return json.dumps(data).replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _digest(source: str) -> str:
    """Return the hash by which a Content-Security-Policy allows an inline source."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(source.encode()).digest()).decode()}'"


def _source(name: str) -> str:
    return (Path(__file__).parent / name).read_text(encoding="utf-8")
