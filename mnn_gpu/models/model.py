"""A trained network: its parameters on the host and the data needed to use them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy.typing as npt

from mnn_gpu.data.feature_names import text_names
from mnn_gpu.nn.parameters import unflatten
from mnn_gpu.utils import html


@dataclass(frozen=True, eq=False)
class Model:
    """A trained network, independent of the device it was trained on.

    Attributes
    ----------
    theta : (parameters,), float32 or float64
        All weights and biases: ``W[1], b[1], W[2], b[2], ...``
    layer_sizes : tuple of int
        Number of features, of units in each hidden layer, and of classes.
    classes : (classes,), int64 or str, sorted
        The label of each output.
    info : mapping
        How it was trained: recipe, seed, accuracies, package version, learning curve;
        also ``feature_names``, the column names of the training data.
    pixel_max : float
        The pixel value in the training data that is scaled to 1, such as 255.
    """

    theta: npt.NDArray[Any]
    layer_sizes: tuple[int, ...]
    classes: npt.NDArray[Any]
    info: Mapping[str, Any] = field(default_factory=dict)
    pixel_max: float = 255.0

    @property
    def layers(self) -> list[tuple[npt.NDArray[Any], npt.NDArray[Any]]]:
        """The matrices ``[(W[1], b[1]), ...]``, (outputs, inputs) and (outputs, 1)."""
        return unflatten(self.theta, self.layer_sizes)

    @property
    def features(self) -> int:
        """The number of inputs."""
        return self.layer_sizes[0]

    @property
    def feature_names(self) -> tuple[str, ...] | None:
        """The names of the inputs, or None if the training data had none."""
        names = self.info.get("feature_names")
        if isinstance(names, (list, tuple)) and len(names) == self.features:
            return text_names(names)
        return None

    def _repr_html_(self) -> str:
        return _as_html(self)


def _as_html(model: Model) -> str:
    """Return a model's layers, labels and training as an HTML table."""
    info = model.info
    rows = [
        ("layers", "-".join(map(str, model.layer_sizes))),
        ("parameters", f"{model.theta.size:,} {model.theta.dtype}"),
        ("labels", _shortened([str(label) for label in model.classes])),
    ]
    accuracies = (("training", "training_accuracy"), ("held-out", "held_out_accuracy"))
    for name, key in accuracies:
        if isinstance(info.get(key), float):
            rows.append((f"{name} accuracy", f"{info[key]:.2%}"))
    if "device" in info:
        rows.append(("trained on", f"{info['device']}, mnn_gpu {info.get('version', '?')}"))
    return html.table(rows, "Model")


def _shortened(words: Sequence[str], most: int = 12) -> str:
    shown = ", ".join(words[:most])
    return shown if len(words) <= most else f"{shown}, ... ({len(words)} in all)"
