"""Saving and resuming a run: what its checkpoint holds, and how it continues from one.

`Trainer` saves the run when a checkpoint is due, and resumes in three steps:

1. find: `Checkpoints.load` (`storage/checkpoints.py`) reads the newest intact file, and refuses
   one of other settings or data;
2. check: `CHECKS`, below, are the conditions that its content meets if it is a state of this run;
3. restore: `restore` puts the content into the run.

The run then takes the batch after its iteration: the order and the random numbers of an epoch
depend on the seed and the epoch only, see `batches/loader.py`.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, astuple, fields
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from mnn_gpu.step.train_step import State
from mnn_gpu.storage.checkpoints import (
    Arrays,
    Check,
    CheckpointRecord,
    Checkpoints,
    all_finite,
    check_facts,
    same_shapes,
)
from mnn_gpu.training.batches.plan import BatchPlan
from mnn_gpu.training.config import TrainingConfig
from mnn_gpu.training.early_stopping import Best, best_of
from mnn_gpu.training.learning_curve import Record
from mnn_gpu.training.run import TrainingRun

FREE = ("target_accuracy", "report_every", "shard_rows", "shards", "fast_reduce")
"""Settings that may change when a run is resumed: they change no parameter, or only the last
bits."""

SQUARES = ("adam", "adamw")
"""Optimizers whose second state vector is a mean of squares."""

MIN_LOSS = -1e-6
"""A mean loss is not below 0, except by rounding."""
METRICS = ("loss", "correct", "finite_steps")


class RunCheckpoints(Checkpoints):
    """The checkpoints of one configuration on one set of data; see `Checkpoints`.

    With ``resume`` there may be checkpoints already.
    """

    def __init__(
        self, folder: str | Path, config: TrainingConfig, digest: str, *, resume: bool
    ) -> None:
        settings, defaults = (settings_of(one) for one in (config, TrainingConfig()))
        how = None if resume else "--resume"
        super().__init__(folder, "training", settings, digest, how, defaults)

    def save_run(self, run: TrainingRun) -> None:
        """Write the state of a run."""
        arrays, best = _state_arrays(run), run.early_stopping.best
        arrays["records"] = records_array(run.records)
        if best is not None:
            arrays["best"] = best.theta
        values = {
            "seconds": run.seconds,
            "best": best and best.record,
            "device": run.backend.device,
        }
        self.save(CheckpointRecord(run.iteration, arrays, values))

    def prepare(self, run: TrainingRun, *, resume: bool) -> CheckpointRecord | None:
        """Check that the disk has room; return the newest checkpoint if it is to be resumed."""
        like = _state_arrays(run)
        self.check_space(sum(array.nbytes for array in like.values()))
        return self.load(lambda record: check_record(record, like, run.plan)) if resume else None


def restore(run: TrainingRun, record: CheckpointRecord) -> None:
    """Continue a run that has not begun from a checkpoint."""
    run.iteration, best = record.number, record.values["best"]
    run.records = records_from(record.arrays["records"])
    if best is not None:
        run.early_stopping.best = Best(best, record.arrays["best"])
    on_device = {name: run.backend.asarray(array) for name, array in record.arrays.items()}
    optimizer_state = tuple(
        on_device[f"optimizer_state{i}"] for i in range(len(run.state.optimizer_state))
    )
    state = {name: on_device[name] for name in ("theta", *METRICS)}
    run.state = State(optimizer_state=optimizer_state, **state)


def settings_of(config: TrainingConfig) -> dict[str, Any]:
    """Return the settings that a checkpoint shares with the run that resumes it."""
    settings: dict[str, Any] = json.loads(json.dumps(asdict(config)))
    return {name: value for name, value in settings.items() if name not in FREE}


def _state_arrays(run: TrainingRun) -> dict[str, npt.NDArray[Any]]:
    """Return the arrays of a run's state by name, on the host."""
    state = run.state
    named = {"theta": state.theta, **{name: getattr(state, name) for name in METRICS}}
    named |= {f"optimizer_state{i}": vector for i, vector in enumerate(state.optimizer_state)}
    return {name: run.backend.to_numpy(array) for name, array in named.items()}


def records_array(records: Sequence[Record]) -> npt.NDArray[np.float64]:
    """Return records as (records, fields): as metadata they might not fit a file's header."""
    rows = [[math.nan if v is None else v for v in astuple(record)] for record in records]
    return np.array(rows, np.float64).reshape(len(rows), len(fields(Record)))


def records_from(table: npt.NDArray[Any]) -> list[Record]:
    """Return the records of a `records_array`."""
    rows = [[None if math.isnan(value) else value for value in row] for row in table.tolist()]
    return [Record(int(row[0]), int(row[1]), *row[2:]) for row in rows]  # type: ignore[arg-type]


# ---- checks --------------------------------------------------------------------------


def _is_table(table: npt.NDArray[Any]) -> bool:
    if table.dtype != np.float64 or table.ndim != 2 or table.shape[1] != len(fields(Record)):
        return False
    whole, always, held_out = table[:, :2], table[:, :5], table[:, 5:]
    is_whole = (whole == np.floor(whole)).all()
    return bool(np.isfinite(always).all() and is_whole and not np.isinf(held_out).any())


def _is_in_range(table: npt.NDArray[Any]) -> bool:
    whole, accuracies = table[:, :2], table[:, [3, 6]]
    return not ((table < MIN_LOSS).any() or (accuracies > 1).any() or (whole < 1).any())


def _is_in_order(table: npt.NDArray[Any], number: int, seconds: float) -> bool:
    iterations, epochs, *_, times = table[:, :5].T
    grows = (np.diff([times, epochs]) >= 0).all() and (np.diff(iterations, prepend=0) > 0).all()
    is_earlier = not len(table) or (iterations[-1] <= number and times[-1] <= seconds)
    return bool(grows and (epochs <= iterations).all() and is_earlier)


def _is_best(best: Any, table: npt.NDArray[Any]) -> bool:
    if best is None:
        return True
    return type(best) is int and len(table) > 0 and best == best_of(records_from(table))


CHECKS: tuple[Check, ...] = (
    (
        "number seconds",
        lambda number, seconds: type(number) is int and number >= 0 and 0 <= seconds < math.inf,
        "its iteration or its time is invalid",
    ),
    ("records", _is_table, "its records are not numbers"),
    ("records", _is_in_range, "its records have invalid values"),
    ("records number seconds", _is_in_order, "its records are out of order or later than it"),
    ("best records", _is_best, "its best record is not the best"),
    ("state like", same_shapes, "its arrays do not fit the recipe"),
    ("state", all_finite, "its arrays are not finite"),
    (
        "state number",
        lambda state, number: int(state["finite_steps"]) == number,
        "its state is of another iteration",
    ),
    (
        "state samples",
        lambda state, samples: (
            float(state["loss"]) >= MIN_LOSS * samples and 0 <= int(state["correct"]) <= samples
        ),
        "its loss or its number of correct answers is invalid",
    ),
    ("squares", lambda squares: bool((squares >= 0).all()), "its mean squares are negative"),
)


def check_record(record: CheckpointRecord, like: Arrays, plan: BatchPlan) -> None:
    """Raise an exception of `DAMAGE` if a record cannot be of a run with arrays like these."""
    state = {name: array for name, array in record.arrays.items() if name != "records"}
    wanted: Mapping[str, Any] = like
    if record.values["best"] is not None:
        wanted = {**like, "best": like["theta"]}
    facts = {
        **record.values,
        "number": record.number,
        "records": record.arrays["records"],
        "state": state,
        "like": wanted,
        "samples": plan.samples_at(record.number),
        "squares": state["optimizer_state1"] if plan.config.optimizer in SQUARES else np.zeros(0),
    }
    check_facts(facts, CHECKS)
