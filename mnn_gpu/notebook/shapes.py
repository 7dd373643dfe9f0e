"""Shape checks of the notebook's functions; wrong shapes could broadcast without an error.

Reading a shape does not access the device. A bias and its gradient may also be a single
value, like the ``db`` of the original notebook.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NoReturn, TypeAlias

from mnn_gpu.errors import UsageError

Array: TypeAlias = Any
Shape: TypeAlias = tuple[int, ...]

ONE: Shape = ()
PARAMETERS = ("W1", "b1", "W2", "b2", "W3", "b3")


def network(weights: Sequence[Array], biases: Sequence[Array], X: Array) -> None:
    """Check W[l], (units, inputs), and b[l], (units, 1), or (units,) for X of one dimension."""
    inputs = X.shape[0]
    for l, (W, b) in enumerate(zip(weights, biases, strict=True), start=1):
        units = _units(f"W{l}", W, inputs)
        column = (units, 1)[: X.ndim]
        if shape(b) not in (column, ONE):
            _refuse(f"b{l}", b, column, f"Pass W1, b1, W2, b2, W3, b3, such as b{l}[:, None].")
        inputs = units


def batch(Z: Sequence[Array], A: Sequence[Array], weights: Sequence[Array], X: Array) -> None:
    """Check Z[l] and A[l], (units, m), and W[l], (units, inputs), for X, (features, m)."""
    cure = "Pass the results of forward_prop for this X, then W1, W2, W3, X and Y."
    inputs = X.shape[0]
    for l, (z, a, W) in enumerate(zip(Z, A, weights, strict=True), start=1):
        units = _units(f"W{l}", W, inputs)
        for name, value in ((f"Z{l}", z), (f"A{l}", a)):
            if shape(value) != (units, *X.shape[1:]):
                _refuse(name, value, (units, *X.shape[1:]), cure)
        inputs = units


def gradients(parameters: Sequence[Array], steps: Sequence[Array]) -> None:
    """Check that each gradient has the shape of its parameter, or is a single value."""
    for name, parameter, step in zip(PARAMETERS, parameters, steps, strict=True):
        if shape(step) not in (shape(parameter), ONE):
            cure = f"Pass six parameters, then six gradients, both as {', '.join(PARAMETERS)}"
            if name[0] == "b":
                cure += "; sum db with keepdims=True"
            _refuse(f"d{name}", step, shape(parameter), f"{cure}.")


def shape(value: Any) -> Shape:
    """Return an array's shape, () for a number."""
    return tuple(getattr(value, "shape", ONE))


def _units(name: str, W: Array, inputs: int) -> int:
    if len(shape(W)) != 2 or W.shape[1] != inputs:
        cure = "Pass the layers in order: W1 (units, features), W2 (units, units of W1)."
        raise UsageError(f"{name} has shape {shape(W)}, not (units, {inputs}).", cure)
    return int(W.shape[0])


def _refuse(name: str, value: Any, wanted: Shape, cure: str) -> NoReturn:
    raise UsageError(f"{name} has shape {shape(value)}, not {wanted}.", cure)
