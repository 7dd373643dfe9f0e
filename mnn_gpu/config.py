"""What to train: a small readable value. The default is the notebook's recipe."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from mnn_gpu.errors import UsageError

DEFAULT_ITERATIONS = 1000


@dataclass(frozen=True, kw_only=True)
class TrainingConfig:
    """A recipe for gradient descent. Without arguments: the notebook's.

    Attributes
    ----------
    hidden : tuple of int
        Units of the hidden layers, first to last; empty for softmax regression.
    learning_rate : float
        The formulas' alpha.
    iterations, epochs : int, optional
        When to stop: after so many updates, or so many passes over the data. Give at
        most one; with neither, 1,000 iterations.
    batch_size : int, optional
        Samples an update. Default: all of them (full-batch gradient descent).
    shard_rows : int, optional
        A batch is worked on in shards of so many samples, whose gradient sums are added
        up; bounds the memory of a step. Default: what suits the device.
    seed : int
        Decides the initial parameters and the order of the samples.
    dtype : {"float32", "float64"}
        Of the parameters and of all arithmetic.
    report_every : int, optional
        Iterations between two records of the history. Default: 100 with full batches,
        one epoch with minibatches.

    Raises
    ------
    UsageError
        If a value cannot be meant; the message says which and what to give instead.
    """

    hidden: tuple[int, ...] = (10, 10)
    learning_rate: float = 0.1
    iterations: int | None = None
    epochs: int | None = None
    batch_size: int | None = None
    shard_rows: int | None = None
    seed: int = 0
    dtype: Literal["float32", "float64"] = "float32"
    report_every: int | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "hidden", tuple(self.hidden))
        for units in self.hidden:
            _whole("hidden", units, least=1)
        for name in ("iterations", "epochs", "batch_size", "shard_rows", "report_every"):
            if getattr(self, name) is not None:
                _whole(name, getattr(self, name), least=1)
        _whole("seed", self.seed, least=0)
        if self.iterations is not None and self.epochs is not None:
            raise UsageError("Both iterations and epochs are given.", "Give only one of them.")
        if not 0 < self.learning_rate < math.inf:
            raise UsageError(
                f"learning_rate is {self.learning_rate}.", "Give a positive number such as 0.1."
            )
        if self.dtype not in ("float32", "float64"):
            raise UsageError(f"dtype is {self.dtype!r}.", 'Give "float32" or "float64".')

    def steps_per_epoch(self, rows: int) -> int:
        """Return the number of updates in one pass over ``rows`` samples."""
        return math.ceil(rows / (self.batch_size or rows))

    def total_iterations(self, rows: int) -> int:
        """Return the number of updates of the whole training."""
        if self.epochs is not None:
            return self.epochs * self.steps_per_epoch(rows)
        return self.iterations or DEFAULT_ITERATIONS

    def reporting_interval(self, rows: int) -> int:
        """Return the number of iterations between two records."""
        if self.report_every is not None:
            return self.report_every
        return 100 if self.steps_per_epoch(rows) == 1 else self.steps_per_epoch(rows)


def _whole(name: str, value: object, least: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise UsageError(f"{name} is {value!r}.", f"Give a whole number, {least} or more.")
