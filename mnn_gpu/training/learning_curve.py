"""A training's records as columns: short enough for a model file, all that a curve needs."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from mnn_gpu.errors import UsageError

if TYPE_CHECKING:
    from mnn_gpu.training.history import Record

MOST_RECORDS = 200
DIGITS = 6
AXES = ("iteration", "epoch")
ALWAYS = ("loss", "accuracy")
HELD_OUT = ("validation_loss", "validation_accuracy")


def columns(records: Sequence[Record], best: Record | None = None) -> dict[str, Any]:
    """Return a training's records, column by column, as JSON can hold them.

    Of more than 200 an even choice is kept, with the first, the last and the best.

    Parameters
    ----------
    records : sequence of Record
    best : Record, optional
        The one whose parameters the model has, where that is not the last.

    Returns
    -------
    dict
        ``iteration`` and ``epoch``, ``loss`` and ``accuracy``; with held-out rows
        ``validation_loss`` and ``validation_accuracy`` (lists of one length, losses in nats,
        accuracies 0 to 1, to six digits); with early stopping ``best``, an iteration. No
        times: equal trainings have equal files.
    """
    kept = _thinned(records, best)
    names = [*AXES, *ALWAYS]
    if kept and kept[0].validation_loss is not None:
        names += HELD_OUT
    found: dict[str, Any] = {name: [_short(getattr(r, name)) for r in kept] for name in names}
    return found if best is None else {**found, "best": best.iteration}


def _thinned(records: Sequence[Record], best: Record | None) -> list[Record]:
    if len(records) <= MOST_RECORDS:
        return list(records)
    even = np.linspace(0, len(records) - 1, MOST_RECORDS).round().astype(int)
    place = records.index(best or max(records, key=_accuracy))
    return [records[i] for i in sorted({*even.tolist(), place})]


def _accuracy(record: Record) -> float:
    held_out = record.validation_accuracy
    return record.accuracy if held_out is None else held_out


def _short(number: float) -> float:
    return number if isinstance(number, int) else float(f"{number:.{DIGITS}g}")


def checked_columns(found: object) -> dict[str, Any]:
    """Return columns as `columns` makes them, from a file, say; ``iteration`` may lack.

    Raises
    ------
    UsageError
        If they are not such, or of no record.
    """
    cure = "Give what train keeps in a model's info: lists of one length under their names."
    if not isinstance(found, Mapping):
        raise UsageError("The history is no mapping of names to columns.", cure)
    lengths = set()
    for name in (*AXES, *ALWAYS, *HELD_OUT):
        column = found.get(name)
        if column is None and name not in ("epoch", *ALWAYS):
            continue
        if not isinstance(column, list | tuple) or not all(map(_is_number, column)):
            raise UsageError(f"The history's {name} is no list of numbers.", cure)
        lengths.add(len(column))
    if len(lengths) != 1:
        raise UsageError("The history's columns are not of one length.", cure)
    if lengths == {0}:
        raise UsageError(
            "The training ended before its first record.", "Train longer, or report more often."
        )
    return dict(found)


def _is_number(value: object) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    # JSON may hold numbers that no axis has room for.
    return abs(value) < 2**53 or (isinstance(value, float) and not math.isfinite(value))
