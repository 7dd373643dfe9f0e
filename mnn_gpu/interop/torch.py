"""Importing networks from PyTorch objects in memory, without importing PyTorch."""

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
"""Modules that have no effect in prediction."""
CHAIN = re.compile(r"Linear( ReLU Linear)*( Softmax| LogSoftmax)?")


def from_torch(
    network: Any,
    *,
    classes: npt.ArrayLike | None = None,
    mean: npt.ArrayLike = 0.0,
    std: npt.ArrayLike = 1.0,
) -> Model:
    """Convert a PyTorch network to a model: Linear layers with ReLU between them.

    Parameters
    ----------
    network : torch.nn.Sequential, another torch.nn.Module, or a state_dict
        The modules of a Sequential are checked: alternating Linear and ReLU, Dropout, Flatten
        and Identity anywhere, Softmax or LogSoftmax at the end. For other modules and
        state_dicts, ReLU between the Linear layers is assumed. Layers are ordered by the
        numbers in their names.
    classes, mean, std
        See `import_model`.

    Returns
    -------
    Model
        float64 if any of the tensors is, else float32.

    Raises
    ------
    ModelFileError
        If it is not such a network.
    UsageError
        If classes, mean or std do not match it, or ``network`` is not one of these types.
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
    """Raise a ModelFileError if the modules are known to compute something else."""
    modules = _in_turn(network) if _is_chain(network) else network.modules()
    names = [type(module).__name__ for module in modules if next(module.children(), None) is None]
    computing = [name for name in names if name not in IDLE]
    foreign = set(computing) - {"Linear", "ReLU", "Softmax", "LogSoftmax"}
    if foreign or (_is_chain(network) and not CHAIN.fullmatch(" ".join(computing))):
        raise ModelFileError(f"{source} computes {', '.join(computing)}.", NETWORK_CURE)


def _parameters(network: Any) -> dict[str, Any]:
    """Return the state_dict; nested Sequentials are flattened."""
    if not _is_chain(network):
        return dict(network.state_dict())
    return {
        f"{i}.{name}": tensor
        for i, module in enumerate(_in_turn(network))
        for name, tensor in module.state_dict().items()
    }


def _is_chain(module: Any) -> bool:
    """Return whether a module is known to apply its modules in sequence."""
    return type(module).__name__ == "Sequential"


def _in_turn(module: Any) -> Iterator[Any]:
    """Yield the modules of nested Sequentials in order of execution, including repetitions."""
    if not _is_chain(module):
        yield module
        return
    for inner in module:
        yield from _in_turn(inner)


def _on_host(tensor: Any, name: str) -> npt.NDArray[Any]:
    try:
        if hasattr(tensor, "detach"):
            tensor = tensor.detach().cpu()
            # NumPy has no bfloat16; float32 represents all of its values.
            tensor = tensor.float() if str(tensor.dtype) == "torch.bfloat16" else tensor
        return np.asarray(tensor)
    except (TypeError, ValueError, RuntimeError) as error:
        raise ModelFileError(f"{name} cannot be read ({error}).", NETWORK_CURE) from error
