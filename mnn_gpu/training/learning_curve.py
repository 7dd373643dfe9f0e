"""The learning curve of a run: its records, and the columns that a model file keeps of them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from mnn_gpu.errors import UsageError

MAX_RECORDS = 200
DIGITS = 6
AXES = ("iteration", "epoch")
ALWAYS = ("loss", "accuracy")
HELD_OUT = ("validation_loss", "validation_accuracy")
CURVES = (("training", ""), ("held-out", "validation_"))
"""The curves of a plot: label, and prefix of the columns."""


@dataclass(frozen=True)
class Record:
    """The state of a run after an iteration.

    Attributes
    ----------
    iteration : int
        Updates made, counted from 1.
    epoch : int
        Passes over the data, the current one included.
    loss, accuracy : float
        Means over the epoch so far (with full batches: of this iteration), each batch
        evaluated before its update; nats, and 0 to 1.
    seconds : float
        Since the first update began.
    validation_loss, validation_accuracy : float or None
        Of the parameters after this iteration (or of their moving average), on the
        held-out rows if there are any.
    """

    iteration: int
    epoch: int
    loss: float
    accuracy: float
    seconds: float
    validation_loss: float | None = None
    validation_accuracy: float | None = None

    @property
    def best_known_accuracy(self) -> float:
        """The accuracy on held-out rows if there are any, otherwise in training."""
        return self.accuracy if self.validation_accuracy is None else self.validation_accuracy


def columns(records: Sequence[Record], best: Record | None = None) -> dict[str, Any]:
    """Return the records of a run, column by column, as JSON can hold them.

    Of more than 200 records some at even intervals are kept, with the first, the last and the best.

    ``best`` is the one whose parameters the model has, if that is not the last.

    Returns
    -------
    dict
        ``iteration`` and ``epoch``, ``loss`` and ``accuracy``; with held-out rows
        ``validation_loss`` and ``validation_accuracy`` (lists of one length, losses in nats,
        accuracies 0 to 1, to six digits); with early stopping ``best``, an iteration. No
        times, so that equal runs have equal files.
    """
    kept = _thinned(records, best)
    names = [*AXES, *ALWAYS]
    if kept and kept[0].validation_loss is not None:
        names += HELD_OUT
    found: dict[str, Any] = {name: [_short(getattr(r, name)) for r in kept] for name in names}
    return found if best is None else {**found, "best": best.iteration}


def _thinned(records: Sequence[Record], best: Record | None) -> list[Record]:
    if len(records) <= MAX_RECORDS:
        return list(records)
    even = np.linspace(0, len(records) - 1, MAX_RECORDS).round().astype(int)
    place = records.index(best or max(records, key=lambda record: record.best_known_accuracy))
    return [records[i] for i in sorted({*even.tolist(), place})]


def _short(number: float) -> float:
    return number if isinstance(number, int) else float(f"{number:.{DIGITS}g}")


def checked_columns(found: object) -> dict[str, Any]:
    """Check columns such as those of `columns`; ``iteration`` may be missing.

    Raises
    ------
    UsageError
        If they are invalid, or have no record.
    """
    cure = "Give columns as in a model's info: lists of one length, by name."
    if not isinstance(found, Mapping):
        raise UsageError("The history is not a mapping of names to columns.", cure)
    lengths = set()
    for name in (*AXES, *ALWAYS, *HELD_OUT):
        column = found.get(name)
        if column is None and name not in ("epoch", *ALWAYS):
            continue
        if not isinstance(column, list | tuple) or not all(map(_is_number, column)):
            raise UsageError(f"The history's {name} is not a list of numbers.", cure)
        lengths.add(len(column))
    if len(lengths) != 1:
        raise UsageError("The history's columns differ in length.", cure)
    if lengths == {0}:
        raise UsageError(
            "The training ended before its first record.", "Train longer, or report more often."
        )
    return dict(found)


def _is_number(value: object) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    # JSON may hold numbers that no axis can show.
    return abs(value) < 2**53 or (isinstance(value, float) and not math.isfinite(value))


def x_axis(found: Mapping[str, Any]) -> tuple[str, Sequence[float]]:
    """Return name and values of a plot's axis: epochs, if each has one record, or iterations."""
    epochs, iterations = found["epoch"], found.get("iteration")
    if iterations is None or (len(set(epochs)) == len(epochs) and epochs[-1] < iterations[-1]):
        return "epoch", epochs
    return "iteration", iterations
