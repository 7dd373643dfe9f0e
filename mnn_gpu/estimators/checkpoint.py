"""The checkpoints of an estimator's fit, after its last two epochs."""

from __future__ import annotations

import json
import math
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
from sklearn.base import is_classifier
from sklearn.utils import check_random_state

from mnn_gpu.errors import UsageError
from mnn_gpu.estimators.device_arrays import digest_of
from mnn_gpu.estimators.device_fit import as_theta, set_parameters, theta_of
from mnn_gpu.estimators.parameters import settings_of
from mnn_gpu.estimators.solver_state import Split
from mnn_gpu.nn.optimizers import Adam
from mnn_gpu.storage.checkpoints import (
    Check,
    CheckpointRecord,
    Checkpoints,
    all_finite,
    check_facts,
    same_shapes,
)

Host: TypeAlias = npt.NDArray[Any]

FREE = ("checkpoint", "comm", "device", "max_iter", "random_state", "verbose", "warm_start")
"""Parameters that may change when a fit is resumed."""
ATTRIBUTES = (
    "n_iter_",
    "t_",
    "loss_",
    "loss_curve_",
    "best_loss_",
    "validation_scores_",
    "best_validation_score_",
    "_no_improvement_count",
)
"""Attributes of scikit-learn's that one epoch passes to the next."""
ROWS = ("training", "held_out", "order")


def fit_checkpoint(
    estimator: Any, X: Any, y: Host, weights: Host | None, incremental: bool
) -> FitCheckpoint | None:
    """Open the folder given by the estimator's ``checkpoint``, if any.

    Raises
    ------
    UsageError
        If this is ``partial_fit``: its caller decides how often to repeat it.
    """
    if estimator.checkpoint is None:
        return None
    if incremental:
        raise UsageError(
            "partial_fit keeps no checkpoints.", "Pickle the estimator, or leave checkpoint out."
        )
    return FitCheckpoint(estimator, digest_of(X, y, weights))


class FitCheckpoint(Checkpoints):
    """The checkpoints of one estimator's fit, which belong to its parameters and data."""

    def __init__(self, estimator: Any, digest: str) -> None:
        settings = json.loads(json.dumps(settings_of(estimator, FREE)))
        how = None if estimator.warm_start else "warm_start=True"
        super().__init__(estimator.checkpoint, "fit", settings, digest, how)
        self.estimator = estimator

    def save_epoch(self, split: Split, *, finished: bool) -> None:
        """Write the state after an epoch.

        The estimator has its parameters; its solver still has them on the device.
        """
        of, solver = self.estimator, self.estimator._optimizer
        key = of._random_state.get_state(legacy=False)
        arrays = {
            "theta": theta_of(of),
            "random": key["state"]["key"],
            **{name: getattr(split, name) for name in ROWS},
            **{f"optimizer_state{i}": v for i, v in enumerate(solver.optimizer_state)},
        }
        if of.early_stopping:
            arrays["best"] = as_theta(of._best_coefs, of._best_intercepts)
        values = {
            "finished": finished,
            "place": key["state"]["pos"],
            "steps": solver.steps,
            "learning_rate": float(solver.learning_rate),
            **{name: getattr(of, name) for name in ATTRIBUTES},
        }
        self.save(CheckpointRecord(of.t_, arrays, values))

    def resumed(self, loss_type: type[np.floating[Any]]) -> Split | None:
        """Restore the estimator from the newest intact file; return its rows.

        An unfitted estimator is restored completely, and nothing is left to do if the
        fit had ended. A fitted estimator starts another fit from where that one ended, like
        scikit-learn's warm start. None if there is no file, or for such another fit.

        Parameters
        ----------
        loss_type : type
            Type of the losses, see `device_fit.loss_type`; the file has them as JSON numbers.

        Raises
        ------
        ModelFileError, UsageError
            See `Checkpoints.load`.
        """
        found = self.load(lambda record: check_record(record, self.estimator))
        if found is None:
            return None
        of, arrays, values = self.estimator, found.arrays, dict(found.values)
        was_fitted = of.t_ > 0
        # A fit that reached max_iter continues if more epochs are requested now.
        is_finished = values["finished"] or values["n_iter_"] >= of.max_iter
        values["loss_"] = loss_type(values["loss_"])
        values["loss_curve_"] = [loss_type(loss) for loss in values["loss_curve_"]]
        if values["best_loss_"] is not None:
            values["best_loss_"] = loss_type(values["best_loss_"])
        for name in ATTRIBUTES:
            setattr(of, name, values[name])
        if "best" in arrays:
            set_parameters(of, arrays["best"])
            of._best_coefs, of._best_intercepts = of.coefs_, of.intercepts_
        if not is_finished or "best" not in arrays:
            set_parameters(of, arrays["theta"])
        if is_finished and was_fitted:
            # Undo that the initial parameters were just drawn from it.
            of._random_state = check_random_state(of.random_state)
            return None
        solver = of._optimizer
        solver.steps = values["steps"]
        size = solver.optimizer.state_size
        solver.optimizer_state = [arrays[f"optimizer_state{i}"] for i in range(size)]
        if of.solver == "sgd":
            solver.schedule.learning_rate = values["learning_rate"]
        # A new generator: the global one of ``random_state=None`` is not changed.
        of._random_state = np.random.RandomState()
        of._random_state.set_state(("MT19937", arrays["random"], values["place"], 0, 0.0))
        rows = arrays["training"], arrays["held_out"], arrays["order"]
        return Split(*rows, is_finished=is_finished)


# ---- checks --------------------------------------------------------------------------


def _each_row_once(training: Host, held_out: Host, order: Host) -> bool:
    rows = np.sort(np.concatenate([training, held_out]))
    places = np.arange(len(training))
    return np.array_equal(rows, np.arange(len(rows))) and np.array_equal(np.sort(order), places)


def _is_number(value: Any) -> bool:
    return type(value) is float and math.isfinite(value)


def _are_counts(*counts: Any) -> bool:
    return all(type(count) is int and count >= 0 for count in counts)


CHECKS: tuple[Check, ...] = (
    ("names expected_names", set.__eq__, "its arrays are not those of such a fit"),
    ("squares", lambda squares: bool((squares >= 0).all()), "its mean squares are negative"),
    ("vectors like", same_shapes, "its arrays do not match the parameters"),
    ("vectors", all_finite, "its arrays are not finite"),
    ("training held_out order", _each_row_once, "it does not have each row once"),
    (
        "random",
        lambda random: random.shape == (624,) and random.dtype == np.uint32,
        "its state of the random numbers is invalid",
    ),
    ("n_iter_ t_ _no_improvement_count steps place", _are_counts, "its counts are invalid"),
    ("place", lambda place: place <= 624, "its counts are invalid"),
    ("number t_", lambda number, samples: number == samples, "it is of another epoch"),
    (
        "learning_rate loss_ loss_curve_ validation_scores_",
        lambda rate, loss, losses, scores: all(map(_is_number, [rate, loss, *losses, *scores])),
        "its numbers are invalid",
    ),
    ("best_loss_", lambda best: best is None or _is_number(best), "its numbers are invalid"),
    ("finished", lambda finished: type(finished) is bool, "its numbers are invalid"),
    (
        "loss_ loss_curve_ best candidates",
        lambda loss, losses, best, all_: losses and loss == losses[-1] and best in all_,
        "its best value is not one of its losses or scores",
    ),
    (
        "loss_curve_ validation_scores_ is_classifier",
        lambda losses, scores, positive: (
            max(scores, default=0) <= 1 and not (positive and min(losses) < 0)
        ),
        "its losses or scores are invalid",
    ),
    (
        "n_iter_ _no_improvement_count loss_curve_",
        lambda n, waited, losses: 1 <= n <= len(losses) and waited <= len(losses),
        "its counts are invalid",
    ),
    (
        "steps learning_rate",
        lambda steps, rate: steps >= 1 and rate > 0,
        "its steps are invalid",
    ),
)


def check_record(record: CheckpointRecord, estimator: Any) -> None:
    """Check that a record can be of a fit of this estimator.

    Raises
    ------
    ValueError
        Or another exception of `safetensors_file.DAMAGE`.
    """
    arrays, values = record.arrays, record.values
    solver, early = estimator._optimizer.optimizer, estimator.early_stopping
    names = ["theta", *(f"optimizer_state{i}" for i in range(solver.state_size))]
    names += ["best"] if early else []
    facts = {
        **arrays,
        **values,
        "number": record.number,
        "names": set(arrays),
        "expected_names": {*names, *ROWS, "random"},
        "squares": arrays["optimizer_state1"] if isinstance(solver, Adam) else np.zeros(0),
        "vectors": {name: arrays[name] for name in names},
        "like": dict.fromkeys(names, theta_of(estimator)),
        "validation_scores_": values["validation_scores_"] or [],
        "best": values["best_validation_score_" if early else "best_loss_"],
        "candidates": values["validation_scores_" if early else "loss_curve_"] or [],
        "is_classifier": is_classifier(estimator),
    }
    check_facts(facts, CHECKS)
