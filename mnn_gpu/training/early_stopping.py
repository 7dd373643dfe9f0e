"""When a training ends before its last iteration."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy.typing as npt

from mnn_gpu.errors import UsageError
from mnn_gpu.training.config import TrainingConfig
from mnn_gpu.training.history import Record


@dataclass(frozen=True)
class Best:
    """The best parameters so far, on the host, and which record, from 0, was theirs."""

    record: int
    theta: npt.NDArray[Any]


class EarlyStopping:
    """Watches the records of a training: early stopping, and a wanted accuracy.

    Parameters
    ----------
    config : TrainingConfig
        Its `patience` and `target_accuracy`.
    best : Best, optional
        Of the training's first part, if it is resumed.

    References
    ----------
    Prechelt: Early Stopping - But When?, in: Neural Networks: Tricks of the Trade, 1998.
    """

    def __init__(self, config: TrainingConfig, best: Best | None = None) -> None:
        self.patience = config.patience
        self.target_accuracy = config.target_accuracy
        self.best = best

    def is_over(self, records: list[Record], theta: Callable[[], npt.NDArray[Any]]) -> bool:
        """Look at the last record; say whether to stop.

        Parameters
        ----------
        records : list of Record
            All so far.
        theta : callable
            Returns the parameters of the last record, on the host.
        """
        last = len(records) - 1
        if self.patience is not None and (
            self.best is None or _rank(records[last]) > _rank(records[self.best.record])
        ):
            self.best = Best(last, theta())
        if self.target_accuracy is not None and _accuracy(records[last]) >= self.target_accuracy:
            return True
        return (
            self.patience is not None
            and self.best is not None
            and last - self.best.record >= self.patience
        )


def check_held_out(config: TrainingConfig, held_out: bool) -> None:
    """See that early stopping has something to go by.

    Raises
    ------
    UsageError
    """
    if config.patience is not None and not held_out:
        raise UsageError(
            "Early stopping needs held-out rows, and there are none.",
            "Hold some out, with --holdout 1000 or validation=(X, y), or leave patience out.",
        )


def best_of(records: Sequence[Record]) -> int:
    """Return the index of the best record, the first among equal ones."""
    return max(range(len(records)), key=lambda i: _rank(records[i]))


def _accuracy(record: Record) -> float:
    held_out = record.validation_accuracy
    return record.accuracy if held_out is None else held_out


def _rank(record: Record) -> tuple[float, float]:
    """Order records by their held-out accuracy, and equal ones by their held-out loss."""
    return _accuracy(record), -(record.validation_loss or 0.0)
