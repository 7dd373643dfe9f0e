"""How a training stands between two iterations, as the bytes of a file and back."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from mnn_gpu.backends import Backend
from mnn_gpu.step.train_step import State
from mnn_gpu.storage.safetensors_file import DAMAGE, dump_with_checksum, load_with_checksum
from mnn_gpu.training.early_stopping import Best, best_of
from mnn_gpu.training.history import Record
from mnn_gpu.version import __version__

Arrays = dict[str, npt.NDArray[Any]]

FORMAT = "mnn_gpu checkpoint 2"
LEAST = -1e-6
"""A mean loss is not below 0 but for its rounding."""
METRICS = ("loss", "correct", "finite_steps")


@dataclass(frozen=True)
class Snapshot:
    """How a training stands between two iterations.

    Attributes
    ----------
    arrays : mapping
        Those of the state, by name, on the host.
    iteration : int
    seconds : float
        That the training has taken.
    records : tuple of Record
    best : Best or None
        The best parameters so far, if they are looked for.
    """

    arrays: Arrays
    iteration: int
    seconds: float
    records: tuple[Record, ...]
    best: Best | None = None


def to_bytes(snapshot: Snapshot, belongs_to: Mapping[str, str]) -> bytes:
    """Return a snapshot as a safetensors file with a checksum.

    Parameters
    ----------
    snapshot : Snapshot
    belongs_to : mapping of text to text
        More metadata: which training this is of.
    """
    arrays, best = {**snapshot.arrays, "records": _table(snapshot.records)}, snapshot.best
    if best is not None:
        arrays["best"] = best.theta
    metadata = {
        **belongs_to,
        "format": FORMAT,
        "version": __version__,
        "iteration": str(snapshot.iteration),
        "seconds": repr(snapshot.seconds),
        "best": json.dumps(best and best.record),
    }
    return dump_with_checksum(arrays, metadata)


def read(path: Path) -> tuple[Snapshot, dict[str, str]]:
    """Return the snapshot in a file and its metadata.

    Raises
    ------
    ValueError
        If the file is not whole, none of ours, or tells what cannot be.
    """
    arrays, metadata = load_with_checksum(path, FORMAT)
    try:
        return _snapshot(metadata, arrays), metadata
    except DAMAGE as error:
        raise ValueError(str(error)) from error


def _snapshot(metadata: dict[str, str], arrays: Arrays) -> Snapshot:
    """Return what a file tells; what cannot be is an error among `DAMAGE`."""
    iteration, seconds = int(metadata["iteration"]), float(metadata["seconds"])
    if iteration < 0 or not 0 <= seconds < math.inf:
        raise ValueError("its iteration or its time cannot be")
    records = _records(arrays.pop("records"))
    counts = [record.iteration for record in records]
    if sorted({0, *counts}) != [0, *counts]:
        raise ValueError("its records are out of order")
    if counts and (counts[-1] > iteration or records[-1].seconds > seconds):
        raise ValueError("its records are later than its state")
    best = json.loads(metadata["best"])
    if best is not None and (type(best) is not int or not 0 <= best < len(records)):
        raise ValueError("its best record is none")
    if best is not None and best != best_of(records):
        raise ValueError("its best record is not the best")
    kept = None if best is None else Best(best, arrays.pop("best"))
    return Snapshot(arrays, iteration, seconds, records, kept)


def _table(records: Sequence[Record]) -> npt.NDArray[np.float64]:
    """Return the records, (records, fields): as metadata they could outgrow a file's header."""
    rows = [[math.nan if v is None else v for v in astuple(record)] for record in records]
    return np.array(rows, np.float64).reshape(len(rows), len(fields(Record)))


def _records(table: npt.NDArray[Any]) -> tuple[Record, ...]:
    """Return the records of a `_table`; what cannot be is a ValueError."""
    names = [field.name for field in fields(Record)]
    if table.dtype != np.float64 or table.ndim != 2 or table.shape[1] != len(names):
        raise ValueError("its records are none")
    whole, always, held_out = table[:, :2], table[:, :5], table[:, 5:]
    if (
        not np.isfinite(always).all()
        or (whole != np.floor(whole)).any()
        or np.isinf(held_out).any()
    ):
        raise ValueError("its records are no numbers")
    accuracies, times = table[:, [3, 6]], table[:, 4]
    if (table < LEAST).any() or (accuracies > 1).any() or (whole < 1).any():
        raise ValueError("its records have values that cannot be")
    iterations, epochs = whole.T
    if (np.diff([times, epochs]) < 0).any() or (epochs > iterations).any():
        raise ValueError("its records are out of order")
    rows = [[None if math.isnan(value) else value for value in row] for row in table.tolist()]
    return tuple(Record(int(row[0]), int(row[1]), *row[2:]) for row in rows)  # type: ignore[arg-type]


def check_arrays(snapshot: Snapshot, like: Mapping[str, npt.NDArray[Any]], samples: int) -> None:
    """See that the arrays are those of a training of this kind, at this iteration.

    Parameters
    ----------
    snapshot : Snapshot
    like : mapping of name to array
        Has arrays of the shapes and dtypes that are wanted.
    samples : int
        Those of the epoch so far, whose losses and right answers are summed.

    Raises
    ------
    ValueError
    """
    wanted, present = dict(like), dict(snapshot.arrays)
    if snapshot.best is not None:
        wanted["best"], present["best"] = like["theta"], snapshot.best.theta
    forms = [
        {name: (array.shape, array.dtype) for name, array in some.items()}
        for some in (wanted, present)
    ]
    if forms[0] != forms[1]:
        raise ValueError("its arrays do not fit the recipe")
    if not all(np.isfinite(array).all() for array in present.values()):
        raise ValueError("its arrays are not finite")
    if int(present["finite_steps"]) != snapshot.iteration:
        raise ValueError("its state is of another iteration")
    if float(present["loss"]) < LEAST * samples or not 0 <= int(present["correct"]) <= samples:
        raise ValueError("its loss or its count of right answers cannot be")


def state_arrays(state: State, backend: Backend) -> Arrays:
    """Return the arrays of a state by name, on the host."""
    named = {name: getattr(state, name) for name in METRICS}
    slots = {f"slot{i}": slot for i, slot in enumerate(state.optimizer_state)}
    named |= {"theta": state.theta} | slots
    return {name: backend.to_numpy(array) for name, array in named.items()}


def state_from(arrays: Arrays, like: State, backend: Backend) -> State:
    """Return the state that `state_arrays` took apart, on the device."""
    here = {name: backend.asarray(array) for name, array in arrays.items()}
    slots = tuple(here[f"slot{i}"] for i in range(len(like.optimizer_state)))
    return State(here["theta"], slots, *(here[name] for name in METRICS))
