"""Networks that PyTorch trained, from memory. PyTorch itself is not imported."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from mnn_gpu.errors import ModelFileError, UsageError
from mnn_gpu.interop.layers import NETWORK_CURE, Weights, assembled
from mnn_gpu.interop.tensor_names import layers_by_name
from mnn_gpu.models.model import Model

IDLE = {"Dropout", "Flatten", "Identity"}
"""Modules that change nothing when predicting."""
CHAIN = re.compile(r"Linear( ReLU Linear)*( Softmax| LogSoftmax)?")


def from_torch(
    network: Any,
    *,
    classes: npt.ArrayLike | None = None,
    mean: npt.ArrayLike = 0.0,
    std: npt.ArrayLike = 1.0,
) -> Model:
    """Make a model of a network that PyTorch trained: Linear layers with ReLU between.

    Parameters
    ----------
    network : torch.nn.Sequential, another torch.nn.Module, or a state_dict
        A Sequential's modules are looked at: Linear and ReLU in turn, Dropout, Flatten and
        Identity anywhere, Softmax or LogSoftmax at the end. Other modules and state_dicts do
        not tell what they compute between their Linear layers: it is taken for ReLU. Layers
        are ordered by the numbers in their names.
    classes, mean, std
        See `import_model`.

    Returns
    -------
    Model
        float64 if any of the tensors is, else float32.

    Raises
    ------
    ModelFileError
        If it is no such network.
    UsageError
        If classes, mean or std do not fit, or ``network`` is none of these.
    """
    source, tensors = f"the {type(network).__name__}", network
    if hasattr(network, "modules") and not isinstance(network, type):
        _check_modules(network, source)
        tensors = _parameters(network)
    if not isinstance(tensors, Mapping):
        raise UsageError(f"network is a {type(network).__name__}.", "Give a Module or state_dict.")
    arrays = {str(name): _on_host(tensor, f"{name}") for name, tensor in tensors.items()}
    info = {"imported_from": type(network).__name__}
    weights = Weights(layers_by_name(arrays, source), info=info)
    return assembled(weights, source, classes=classes, mean=mean, std=std)


def _check_modules(network: Any, source: str) -> None:
    """Raise a ModelFileError if the modules are seen to compute something else."""
    modules = _in_turn(network) if _is_chain(network) else network.modules()
    names = [type(module).__name__ for module in modules if next(module.children(), None) is None]
    computing = [name for name in names if name not in IDLE]
    foreign = set(computing) - {"Linear", "ReLU", "Softmax", "LogSoftmax"}
    if foreign or (_is_chain(network) and not CHAIN.fullmatch(" ".join(computing))):
        raise ModelFileError(f"{source} computes {', '.join(computing)}.", NETWORK_CURE)


def _parameters(network: Any) -> dict[str, Any]:
    """Return the state_dict; that of nested Sequentials as if they were one."""
    if not _is_chain(network):
        return dict(network.state_dict())
    return {
        f"{i}.{name}": tensor
        for i, module in enumerate(_in_turn(network))
        for name, tensor in module.state_dict().items()
    }


def _is_chain(module: Any) -> bool:
    """Whether a module is known to run its modules one after the other."""
    return type(module).__name__ == "Sequential"


def _in_turn(module: Any) -> Iterator[Any]:
    """Yield the modules of nested Sequentials as they run, repeated ones each time."""
    if not _is_chain(module):
        yield module
        return
    for inner in module:
        yield from _in_turn(inner)


def _on_host(tensor: Any, name: str) -> npt.NDArray[Any]:
    try:
        if hasattr(tensor, "detach"):
            tensor = tensor.detach().cpu()
            # NumPy has no bfloat16; float32 holds every one of its values.
            tensor = tensor.float() if str(tensor.dtype) == "torch.bfloat16" else tensor
        return np.asarray(tensor)
    except (TypeError, ValueError, RuntimeError) as error:
        raise ModelFileError(f"{name} cannot be read ({error}).", NETWORK_CURE) from error
