"""PyTorch, eager, on any of its devices; selected only by its name or that of its device."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from typing import Any

import array_api_compat
import numpy as np
import numpy.typing as npt

from mnn_gpu.backends.array_api_backend import SHARD_ROWS, PlainBackend
from mnn_gpu.backends.base import Memory
from mnn_gpu.errors import DeviceError

STEPS_PER_CALL = 16
OLDEST = (2, 6)
"""The first version with `torch.accelerator`."""

INSTALL = "Install PyTorch 2.6 or newer for the device (pytorch.org), or omit --backend."


@dataclass(frozen=True)
class TorchBackend(PlainBackend):
    """PyTorch tensors on one of its devices, without gradients; made by `connect` or `of`."""

    torch: Any = field(default=None, repr=False)

    @classmethod
    def connect(cls, kind: str | None, index: int) -> TorchBackend:
        """Return the backend for device ``index`` of a kind, by default PyTorch's accelerator.

        Raises
        ------
        DeviceError
            If PyTorch is missing or too old, or does not have the device, or it does not work.
        """
        torch = import_torch()
        found = devices_of(torch)
        name = "cpu" if kind == "cpu" else f"{kind}:{index}"
        if kind is None:
            name = found[min(1, len(found) - 1)]
        if name not in found:
            raise DeviceError(
                f"PyTorch {torch.__version__} finds no device {name}, only: {', '.join(found)}.",
                "Choose one of these with --device, or install the PyTorch for it (pytorch.org).",
                "device count",
            )
        try:
            return cls.of(torch.ones((2, 2), device=name) @ torch.ones((2, 2), device=name))
        except Exception as error:
            raise DeviceError(
                f"PyTorch cannot compute on {name} ({error}).", INSTALL, "matrix product"
            ) from error

    @classmethod
    def of(cls, array: Any) -> TorchBackend:
        """Return the backend of a tensor's device."""
        xp, place = array_api_compat.array_namespace(array), array_api_compat.device(array)
        torch = importlib.import_module("torch")
        return cls("torch", str(place), xp, SHARD_ROWS, STEPS_PER_CALL, place=place, torch=torch)

    def to_numpy(self, array: Any) -> npt.NDArray[Any]:
        return np.asarray(array.detach().cpu().numpy())

    def synchronize(self) -> None:
        self.to_numpy(self.asarray(0) + 0)

    def memory(self) -> Memory:
        module: Any = getattr(self.torch, self.place.type, None)
        if self.place.type == "mps":
            total = module.recommended_max_memory()
            return Memory(total - module.current_allocated_memory(), total)
        if not hasattr(module, "mem_get_info"):
            return Memory(None, None)
        free, total = module.mem_get_info(self.place)
        cached = module.memory_reserved(self.place) - module.memory_allocated(self.place)
        return Memory(free + cached, total)

    def active(self) -> AbstractContextManager[Any]:
        """Record no gradients; unlike in inference mode, users may do so with the results."""
        context: AbstractContextManager[Any] = self.torch.no_grad()
        return context

    @contextmanager
    def single_threaded(self) -> Iterator[None]:
        """Compute with one thread, for sums that do not depend on the number of processes."""
        before = self.torch.get_num_threads()
        self.torch.set_num_threads(1)
        try:
            yield
        finally:
            self.torch.set_num_threads(before)

    def is_out_of_memory(self, error: BaseException) -> bool:
        said = str(error).lower()
        return isinstance(error, MemoryError) or (
            isinstance(error, RuntimeError)
            and any(
                words in said for words in ("out of memory", "allocate memory", "enough memory")
            )
        )

    def explain(self, error: BaseException) -> DeviceError | None:
        if self.is_out_of_memory(error):
            return DeviceError(
                f"PyTorch ran out of memory on {self.device}.",
                "Lower --batch-size, --shard-rows or --rows.",
            )
        # Versions before 2.8 have no class for a failure of the device.
        failed = getattr(self.torch, "AcceleratorError", NotImplementedError)
        if isinstance(error, (NotImplementedError, failed)):
            line = str(error).partition("\n")[0]
            return DeviceError(
                f"PyTorch failed on {self.device} ({line}).",
                "Train with --device cpu, or install a newer PyTorch.",
            )
        return None


def import_torch() -> Any:
    """Return PyTorch.

    Raises
    ------
    DeviceError
        If it cannot be imported or is too old.
    """
    try:
        torch = importlib.import_module("torch")
    except Exception as error:  # Its libraries fail to load with an OSError.
        message = f"PyTorch cannot be imported ({error})."
        raise DeviceError(message, INSTALL, "import") from error
    version = str(torch.__version__)
    if tuple(int(part) for part in version.split(".")[:2]) < OLDEST:
        raise DeviceError(f"PyTorch {version} is too old.", INSTALL, "import")
    return torch


def devices_of(torch: Any) -> list[str]:
    """Return the names of PyTorch's devices: the CPU, then those of its accelerator."""
    if not torch.accelerator.is_available():
        return ["cpu"]
    kind = torch.accelerator.current_accelerator().type
    return ["cpu", *(f"{kind}:{i}" for i in range(torch.accelerator.device_count()))]
