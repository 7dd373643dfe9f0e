"""Arrays of other libraries on the GPU."""

from __future__ import annotations

from typing import Any


def torch(X: Any, y: Any) -> tuple[Any, Any]:
    """Return PyTorch's tensors of host arrays."""
    import torch

    return torch.from_numpy(X).cuda(), torch.from_numpy(y).cuda()


def jax(X: Any, y: Any) -> tuple[Any, Any]:
    """Return JAX's arrays of host arrays, on the device that it prefers."""
    import jax

    return jax.device_put(X), jax.device_put(y)
