"""The end of a run before its last iteration."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy.typing as npt

from mnn_gpu.errors import UsageError
from mnn_gpu.training.config import TrainingConfig
from mnn_gpu.training.learning_curve import Record


@dataclass(frozen=True)
class Best:
    """The best parameters so far, on the host, and the index of their record."""

    record: int
    theta: npt.NDArray[Any]


class EarlyStopping:
    """Decides by the records whether a run ends early.

    Parameters
    ----------
    config : TrainingConfig
        Its `patience` and `target_accuracy`.
    best : Best, optional
        Of the earlier part of a resumed run.

    References
    ----------
    Prechelt: Early Stopping - But When?, in: Neural Networks: Tricks of the Trade, 1998.
    """

    def __init__(self, config: TrainingConfig, best: Best | None = None) -> None:
        self.patience = config.patience
        self.target_accuracy = config.target_accuracy
        self.best = best

    def is_over(self, records: list[Record], theta: Callable[[], npt.NDArray[Any]]) -> bool:
        """Return whether to stop after the last record.

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
        if (
            self.target_accuracy is not None
            and records[last].best_known_accuracy >= self.target_accuracy
        ):
            return True
        return (
            self.patience is not None
            and self.best is not None
            and last - self.best.record >= self.patience
        )


def check_held_out(config: TrainingConfig, held_out: bool) -> None:
    """Raise a UsageError if early stopping needs held-out rows and there are none."""
    if config.patience is not None and not held_out:
        raise UsageError(
            "Early stopping needs held-out rows, and there are none.",
            "Hold some out, with --holdout 1000 or validation=(X, y), or leave patience out.",
        )


def best_of(records: Sequence[Record]) -> int:
    """Return the index of the best record, the first of equal ones."""
    return max(range(len(records)), key=lambda i: _rank(records[i]))


def _rank(record: Record) -> tuple[float, float]:
    """Return the key that orders records: accuracy, then lower held-out loss."""
    return record.best_known_accuracy, -(record.validation_loss or 0.0)
