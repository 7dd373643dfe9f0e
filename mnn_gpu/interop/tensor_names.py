"""Assigning arrays to layers and ordering the layers, by the arrays' names."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import numpy.typing as npt

from mnn_gpu.errors import ModelFileError
from mnn_gpu.interop.layers import NETWORK_CURE
from mnn_gpu.nn.parameters import Layer

NAME = re.compile(r"(?:(.*)\.(weight|bias)|([Wb])([0-9]+))", re.ASCII | re.DOTALL)
NUMBER = re.compile(r"[0-9]{1,9}")
ORDER_CURE = "Name them as in torch.nn.Sequential: 0.weight, 0.bias, 2.weight, 2.bias, ..."


def layers_by_name(arrays: Mapping[str, npt.NDArray[Any]], source: str) -> list[Layer]:
    """Return ``[(W, b), ...]`` in the order of the numbers in the arrays' names.

    Parameters
    ----------
    arrays : mapping of name to array
        ``0.weight, 0.bias, 2.weight, ...``, with any text around the number (``fc1.weight``)
        and any gaps; or ``W1, b1, W2, ...``.
    source : str
        Their name in an error message.

    Raises
    ------
    ModelFileError
        If an array is neither weights nor biases of a layer, a layer lacks one of them, or
        the names do not determine the order.
    """
    found: dict[str, dict[str, npt.NDArray[Any]]] = {}
    for name, array in arrays.items():
        if not (match := NAME.fullmatch(name)):
            raise ModelFileError(f"{source}: {name} is not part of a Linear layer.", NETWORK_CURE)
        stem, kind, letter, number = match.groups()
        part = kind or {"W": "weight", "b": "bias"}[letter]
        layer = found.setdefault(stem if kind else number, {})
        if part in layer:
            raise ModelFileError(f"{source}: {name} exists under two names.", ORDER_CURE)
        layer[part] = array
    for stem, layer in found.items():
        if missing := {"weight", "bias"} - layer.keys():
            raise ModelFileError(
                f"{source}: the layer {stem!r} has no {min(missing)}.",
                "Give each layer weights and biases; biases of 0 for Linear(bias=False).",
            )
        if layer["weight"].ndim != 2:
            shape = layer["weight"].shape
            raise ModelFileError(
                f"{source}: {stem!r} is not a Linear layer, its weights have the shape {shape}.",
                NETWORK_CURE,
            )
    return [(found[stem]["weight"], found[stem]["bias"]) for stem in _ordered(found, source)]


def _ordered(stems: Mapping[str, Any], source: str) -> list[str]:
    """Sort names that differ only in their numbers by these numbers."""
    order = {stem: tuple(map(int, NUMBER.findall(stem))) for stem in stems}
    if len(set(order.values())) < len(stems) or len({NUMBER.sub("#", stem) for stem in stems}) > 1:
        raise ModelFileError(
            f"{source}: the names {', '.join(stems)} do not determine the order of the layers.",
            ORDER_CURE,
        )
    return sorted(stems, key=lambda stem: order[stem])
