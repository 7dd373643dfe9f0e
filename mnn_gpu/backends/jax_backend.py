"""JAX on the CPU or on any accelerator that it supports; never selected by "auto"."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from mnn_gpu.backends.base import Backend, Memory
from mnn_gpu.backends.jax_vectors import Concat, cut, piecewise, register
from mnn_gpu.errors import DeviceError, UsageError
from mnn_gpu.step.execution import AllGather, Run, Step, Update, entries, single_rank
from mnn_gpu.utils.packages import require

INSTALL = 'Run pip install "mnn_gpu[jax]", or omit --backend.'

# XLA fuses operations that follow a product, so it gains from larger microbatches than NumPy.
SHARD_ROWS = 65536
STEPS_PER_CALL = 32

PRESETS = {11: "TF32_TF32_F32", 8: "BF16_BF16_F32"}


@dataclass(frozen=True)
class JaxBackend(Backend):
    """JAX arrays on one of its devices; made by `connect`."""

    is_distributed = False

    jax: Any = field(default=None, repr=False)
    jax_device: Any = field(default=None, repr=False)

    @classmethod
    def connect(cls, platform: str | None, index: int) -> JaxBackend:
        """Return the backend for device ``index`` of a platform, by default JAX's choice.

        Raises
        ------
        DeviceError
            If JAX is not installed or does not see the device.
        """
        jax = require("jax", error=partial(DeviceError, stage="import"))
        try:
            device = jax.devices(platform)[index]
        except (RuntimeError, IndexError) as error:
            raise DeviceError(
                f"JAX finds no device {platform or 'number'} {index}.",
                "Install the JAX for it (jax.readthedocs.io, Installation), or use --device cpu.",
                "device count",
            ) from error
        register()
        name = "cpu" if device.platform == "cpu" else f"{platform or device.platform}:{index}"
        return cls("jax", name, jax.numpy, SHARD_ROWS, STEPS_PER_CALL, jax, device)

    def dtype(self, name: str) -> Any:
        if name == "float64" and not self.jax.config.jax_enable_x64:
            raise UsageError(
                "JAX computes in float32 unless it is configured otherwise.",
                "Set the environment variable JAX_ENABLE_X64=1, or use float32.",
            )
        return super().dtype(name)

    def asarray(self, array: npt.ArrayLike, dtype: npt.DTypeLike | None = None) -> Any:
        return self.jax.device_put(np.asarray(array, dtype=dtype), self.jax_device)

    def to_numpy(self, array: Any) -> npt.NDArray[Any]:
        if isinstance(array, Concat):
            return np.concatenate([np.asarray(part) for part in array.parts])
        return np.asarray(array)

    def synchronize(self) -> None:
        self.jax.block_until_ready(self.asarray(0) + 0)

    def memory(self) -> Memory:
        stats = self.jax_device.memory_stats() or {}
        total = stats.get("bytes_limit")
        return Memory(total and total - stats.get("bytes_in_use", 0), total)

    @contextmanager
    def active(self) -> Iterator[None]:
        """Create arrays there; multiply float32 in full precision, which JAX reduces on a GPU."""
        with self.jax.default_device(self.jax_device), self.jax.default_matmul_precision("float32"):
            yield

    def explain(self, error: BaseException) -> DeviceError | None:
        if "RESOURCE_EXHAUSTED" in str(error) or isinstance(error, MemoryError):
            return DeviceError(
                f"JAX ran out of memory on {self.device}.",
                "Lower --batch-size, --shard-rows or --rows.",
            )
        return None

    def low_precision_matmul(self, A: Any, B: Any, bits: int) -> Any:
        """Leave the rounding to the device if it has tensor cores."""
        if self.jax_device.platform == "cpu":
            return super().low_precision_matmul(A, B, bits)
        return self.xp.matmul(A, B, precision=self.jax.lax.DotAlgorithmPreset[PRESETS[bits]])

    def compile(self, step: Step, data: Any, allgather: AllGather = single_rank) -> Run:  # noqa: ARG002
        """Compile with `jax.jit`, donating the state, with `STEPS_PER_CALL` steps per call.

        The data are an argument, since XLA would copy a constant of that size into its
        program. For other numbers of steps, steps are called one by one, so that each shape of
        batch is compiled twice at most. The state's vectors are split where the step slices
        them, see `jax_vectors.py`.
        """
        one: Callable[..., Any] = self.jax.jit(step, donate_argnums=1)

        def many(data: Any, state: Any, batches: Any) -> Any:
            def scanned(state: Any, batch: Any) -> tuple[Any, None]:
                return step(data, state, batch), None

            return self.jax.lax.scan(scanned, state, batches)[0]

        many = self.jax.jit(many, donate_argnums=1)
        known: list[dict[int, tuple[int, ...]]] = []

        def run(state: Any, batches: Any) -> Any:
            if not known:
                known.append(self._bounds(step, data, state, next(entries(batches))))
            state = self._map_vectors(lambda vector: cut(vector, known[0][vector.shape[0]]), state)
            if batches[0].shape[0] == STEPS_PER_CALL:
                return many(data, state, batches)
            for batch in entries(batches):
                state = one(data, state, batch)
            return state

        return run

    def _bounds(self, step: Step, data: Any, state: Any, batch: Any) -> dict[int, tuple[int, ...]]:
        """Return where the step slices vectors of each length, without computing anything."""
        asked: dict[int, set[int]] = {}

        def noting(vector: Any) -> Concat:
            (length,) = vector.shape
            return Concat([vector], (0, length), asked.setdefault(length, {0, length}))

        self.jax.eval_shape(lambda s: step(data, self._map_vectors(noting, s), batch), state)
        return {length: tuple(sorted(places)) for length, places in asked.items()}

    def _map_vectors(self, function: Callable[[Any], Any], state: Any) -> Any:
        return self.jax.tree.map(
            lambda leaf: function(leaf) if leaf.ndim == 1 else leaf,
            state,
            is_leaf=lambda leaf: isinstance(leaf, Concat),
        )

    def fuse(self, update: Update) -> Update:
        """Apply the update to split vectors piece by piece."""
        fused: Update = piecewise(update)
        return fused
