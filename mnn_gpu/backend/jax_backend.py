"""JAX on the CPU or whatever accelerator it sees: chosen by hand, never by "auto"."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from functools import partial
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from mnn_gpu.backend.base import Backend, Memory, Run, Step, Update, entries
from mnn_gpu.errors import DeviceError, UsageError

INSTALL = 'Run pip install "mnn_gpu[jax]", or leave --backend out.'

# XLA fuses what follows a product, so it gains from larger shards than NumPy.
SHARD_ROWS = 65536
STEPS_PER_CALL = 32


@dataclass(frozen=True)
class JaxBackend(Backend):
    """JAX arrays on one of its devices; `connect` makes one."""

    jax: Any = field(default=None, repr=False)
    jax_device: Any = field(default=None, repr=False)

    @classmethod
    def connect(cls, platform: str | None, index: int) -> JaxBackend:
        """Return the backend for device ``index`` of a platform, by default JAX's own choice.

        Raises
        ------
        DeviceError
            If JAX is not installed or does not see the device.
        """
        try:
            jax = importlib.import_module("jax")
        except ImportError as error:
            raise DeviceError(f"JAX cannot be imported ({error}).", INSTALL, "import") from error
        try:
            device = jax.devices(platform)[index]
        except (RuntimeError, IndexError) as error:
            raise DeviceError(
                f"JAX sees no device {platform or 'number'} {index}.",
                "Install the JAX that suits it (jax.readthedocs.io, Installation), or use "
                "--device cpu.",
                "device count",
            ) from error
        name = "cpu" if device.platform == "cpu" else f"{platform or device.platform}:{index}"
        return cls("jax", name, jax.numpy, SHARD_ROWS, STEPS_PER_CALL, jax, device)

    def dtype(self, name: str) -> Any:
        if name == "float64" and not self.jax.config.jax_enable_x64:
            raise UsageError(
                "JAX computes in float32 unless it is told otherwise.",
                "Set the environment variable JAX_ENABLE_X64=1, or take float32.",
            )
        return super().dtype(name)

    def asarray(self, array: npt.ArrayLike, dtype: npt.DTypeLike | None = None) -> Any:
        return self.jax.device_put(np.asarray(array, dtype=dtype), self.jax_device)

    def to_numpy(self, array: Any) -> npt.NDArray[Any]:
        return np.asarray(array)

    def synchronize(self) -> None:
        self.jax.block_until_ready(self.asarray(0) + 0)

    def memory(self) -> Memory:
        stats = self.jax_device.memory_stats() or {}
        total = stats.get("bytes_limit")
        return Memory(total and total - stats.get("bytes_in_use", 0), total)

    def active(self) -> AbstractContextManager[Any]:
        return cast("AbstractContextManager[Any]", self.jax.default_device(self.jax_device))

    def explain(self, error: BaseException) -> DeviceError | None:
        if "RESOURCE_EXHAUSTED" in str(error) or isinstance(error, MemoryError):
            return DeviceError(
                f"JAX ran out of memory on {self.device}.",
                "Lower --batch-size, --shard-rows or --rows.",
            )
        return None

    def compile(self, step: Step, data: Any) -> Run:
        """Compile with `jax.jit`, the state donated, `STEPS_PER_CALL` steps to a call.

        The data are an argument, since XLA would copy a constant of that size into its
        program. Other numbers of steps go one by one, so that each shape of batch
        compiles twice at most.
        """
        jit: Callable[..., Any] = partial(
            self.jax.jit, donate_argnums=1, compiler_options=self._compiler_options()
        )
        one = jit(step)

        def many(data: Any, state: Any, batches: Any) -> Any:
            def scanned(state: Any, batch: Any) -> tuple[Any, None]:
                return step(data, state, batch), None

            return self.jax.lax.scan(scanned, state, batches)[0]

        many = jit(many)

        def run(state: Any, batches: Any) -> Any:
            if batches[0].shape[0] == STEPS_PER_CALL:
                return many(data, state, batches)
            for batch in entries(batches):
                state = one(data, state, batch)
            return state

        return run

    def fuse(self, update: Update) -> Update:
        """Keep XLA from working the gradient out anew for each vector that it updates."""
        barrier = self.jax.lax.optimization_barrier
        return lambda *arguments: update(*barrier(arguments))

    def _compiler_options(self) -> dict[str, bool]:
        """Turn off what makes joining a gradient's parts 40 times as slow on the CPU.

        Seen in JAX 0.10.2; a release that does not know the option does without.
        """
        if self.device != "cpu":
            return {}
        options = {"xla_cpu_use_fusion_emitters": False}
        try:
            self.jax.jit(lambda x: x + 1, compiler_options=options)(0)
        except Exception:
            return {}
        return options
