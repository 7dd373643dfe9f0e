"""What to train: a small readable value. The default is the notebook's recipe."""

from __future__ import annotations

import math
import operator
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Literal

from mnn_gpu.errors import UsageError
from mnn_gpu.optimizers import OPTIMIZERS, SCHEDULES

DEFAULT_ITERATIONS = 1000
MOST_UNITS = 2**31 - 1
MOST = 2**63 - 1


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
    optimizer : {"sgd", "momentum", "adam"}
        See `optimizers`.
    schedule : {"constant", "linear", "cosine"}
        How the learning rate goes from its first value, to 0 at the end if not constant.
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
    optimizer: str = "sgd"
    schedule: str = "constant"
    shard_rows: int | None = None
    seed: int = 0
    dtype: Literal["float32", "float64"] = "float32"
    report_every: int | None = None

    def __post_init__(self) -> None:
        hidden = self.hidden if isinstance(self.hidden, Iterable) else (self.hidden,)
        self._set("hidden", tuple(_whole("hidden", units, 1, MOST_UNITS) for units in hidden))
        for name in ("iterations", "epochs", "batch_size", "shard_rows", "report_every"):
            if getattr(self, name) is not None:
                self._set(name, _whole(name, getattr(self, name), 1))
        self._set("seed", _whole("seed", self.seed, 0))
        # A NumPy float64 would turn all that it is multiplied with into float64.
        self._set("learning_rate", _positive("learning_rate", self.learning_rate))
        if self.iterations is not None and self.epochs is not None:
            raise UsageError("Both iterations and epochs are given.", "Give only one of them.")
        _one_of("optimizer", self.optimizer, OPTIMIZERS)
        _one_of("schedule", self.schedule, SCHEDULES)
        _one_of("dtype", self.dtype, ("float32", "float64"))

    def _set(self, name: str, value: object) -> None:
        object.__setattr__(self, name, value)

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


def _one_of(name: str, value: object, choices: Collection[str]) -> None:
    if value not in choices:
        raise UsageError(f"{name} is {value!r}.", f"Give one of: {', '.join(choices)}.")


def _positive(name: str, value: object) -> float:
    try:
        number = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        number = math.nan
    if isinstance(value, str) or not 0 < number < math.inf:
        raise UsageError(f"{name} is {value!r}.", "Give a positive number such as 0.1.")
    return number


def _whole(name: str, value: object, least: int, most: int = MOST) -> int:
    try:
        number = operator.index(value)  # type: ignore[arg-type]
    except TypeError:
        number = least - 1
    if isinstance(value, bool) or not least <= number <= most:
        raise UsageError(f"{name} is {value!r}.", f"Give a whole number from {least} to {most:,}.")
    return number
