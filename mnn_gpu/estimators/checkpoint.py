"""An estimator's fit that can go on after it was cut: its state after the last two epochs."""

from __future__ import annotations

import json
import math
from collections.abc import Container
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import scipy.sparse
from sklearn.base import is_classifier
from sklearn.utils import check_random_state

from mnn_gpu.errors import UsageError
from mnn_gpu.estimators.device_arrays import DeviceRows
from mnn_gpu.estimators.device_fit import as_theta, set_parameters, theta_of
from mnn_gpu.estimators.solver_state import Split
from mnn_gpu.nn.optimizers import Adam
from mnn_gpu.storage.checkpoint_folder import SnapshotFolder, number_of
from mnn_gpu.storage.safetensors_file import (
    DAMAGE,
    data_digest,
    dump_with_checksum,
    load_with_checksum,
)

Host: TypeAlias = npt.NDArray[Any]

FORMAT = "mnn_gpu fit 1"
FREE = ("checkpoint", "comm", "device", "max_iter", "random_state", "verbose", "warm_start")
"""Parameters that may be others when a fit goes on."""
NUMBERS = ("steps", "place", "learning_rate")
REMEMBERED = (
    "n_iter_",
    "t_",
    "loss_",
    "loss_curve_",
    "best_loss_",
    "validation_scores_",
    "best_validation_score_",
    "_no_improvement_count",
)
"""Attributes of scikit-learn's that go on from one epoch to the next."""


def fit_checkpoint(
    estimator: Any, X: Any, y: Host, weights: Host | None, incremental: bool
) -> FitCheckpoint | None:
    """Open the folder that the estimator's ``checkpoint`` names, if it does.

    Raises
    ------
    UsageError
        If it is ``partial_fit``, which the caller repeats as it likes.
    """
    if estimator.checkpoint is None:
        return None
    if incremental:
        raise UsageError(
            "partial_fit keeps no checkpoints.", "Pickle the estimator, or leave checkpoint out."
        )
    return FitCheckpoint(estimator, digest_of(X, y, weights))


class FitCheckpoint(SnapshotFolder):
    """The snapshots of one estimator's fit, bound to its parameters and data."""

    def __init__(self, estimator: Any, digest: str) -> None:
        super().__init__(estimator.checkpoint)
        self.estimator = estimator
        self.digest = digest
        if not estimator.warm_start:
            try:
                self.check_free("warm_start=True")
            except UsageError:
                self.lock.close()
                raise

    def save(self, split: Split, *, finished: bool) -> None:
        """Write how the fit stands after an epoch.

        The estimator has its parameters; its solver still has them on the device.
        """
        of = self.estimator
        key = of._random_state.get_state(legacy=False)
        arrays = {
            "theta": theta_of(of),
            "training": split.training,
            "held_out": split.held_out,
            "order": split.order,
            "random": key["state"]["key"],
            **{f"slot{i}": slot for i, slot in enumerate(of._optimizer.slots)},
        }
        if of.early_stopping:
            arrays["best"] = as_theta(of._best_coefs, of._best_intercepts)
        metadata = {
            "format": FORMAT,
            "settings": json.dumps(settings_of(of, FREE)),
            "data": self.digest,
            "finished": json.dumps(finished),
            "place": json.dumps(key["state"]["pos"]),
            "steps": json.dumps(of._optimizer.steps),
            "learning_rate": json.dumps(float(of._optimizer.learning_rate)),
            # Of losses in float32, float makes numbers that JSON can write.
            **{name: json.dumps(getattr(of, name), default=float) for name in REMEMBERED},
        }
        self.write(of.t_, dump_with_checksum(arrays, metadata))

    def resumed(self, loss_type: type[np.floating[Any]]) -> Split | None:
        """Give the estimator what the newest whole file holds; return the rows it goes through.

        An estimator that was not fitted before gets all of it, and nothing is left to do where the
        fit had ended. One that was fitted before starts another fit from where that one ended, as
        scikit-learn's warm start does. None if there is no file, or for such another fit.

        Parameters
        ----------
        loss_type : type
            Of the losses, see `placement.loss_type`; the file holds them as JSON numbers.

        Raises
        ------
        ModelFileError, UsageError
            See `SnapshotFolder.newest`, and if it is of other parameters or other data.
        """
        found = self.newest(self._read)
        if found is None:
            return None
        arrays, told = found
        of = self.estimator
        was_fitted = of.t_ > 0
        # Reaching max_iter is no end if more is asked for now.
        is_finished = told["finished"] or told["n_iter_"] >= of.max_iter
        told["loss_"] = loss_type(told["loss_"])
        told["loss_curve_"] = [loss_type(loss) for loss in told["loss_curve_"]]
        if told["best_loss_"] is not None:
            told["best_loss_"] = loss_type(told["best_loss_"])
        for name in REMEMBERED:
            setattr(of, name, told[name])
        if "best" in arrays:
            set_parameters(of, arrays["best"])
            of._best_coefs, of._best_intercepts = of.coefs_, of.intercepts_
        if not is_finished or "best" not in arrays:
            set_parameters(of, arrays["theta"])
        if is_finished and was_fitted:
            # As if the first parameters had not just been drawn from it.
            of._random_state = check_random_state(of.random_state)
            return None
        solver = of._optimizer
        solver.steps = told["steps"]
        solver.slots = [arrays[f"slot{i}"] for i in range(len(arrays)) if f"slot{i}" in arrays]
        if of.solver == "sgd":
            solver.schedule.learning_rate = told["learning_rate"]
        # A generator of its own: the global one of ``random_state=None`` is left alone.
        of._random_state = np.random.RandomState()
        of._random_state.set_state(("MT19937", arrays["random"], told["place"], 0, 0.0))
        rows = arrays["training"], arrays["held_out"], arrays["order"]
        return Split(*rows, is_finished=is_finished)

    def _read(self, path: Path) -> tuple[dict[str, Host], dict[str, Any]]:
        arrays, metadata = load_with_checksum(path, FORMAT)
        try:
            told = {
                name: json.loads(metadata[name]) for name in (*REMEMBERED, *NUMBERS, "finished")
            }
            settings = json.loads(metadata["settings"])
            _check(arrays, told, self.estimator)
            if told["t_"] != number_of(path):
                raise ValueError(f"it is of {told['t_']} samples")
        except DAMAGE as error:
            raise ValueError(str(error)) from error
        self._check_same(path, settings, metadata.get("data"))
        return arrays, told

    def _check_same(self, path: Path, settings: Any, digest: str | None) -> None:
        own = json.loads(json.dumps(settings_of(self.estimator, FREE)))
        if settings != own:
            others = [name for name in own if settings.get(name) != own[name]]
            raise UsageError(
                f"{path} is of a fit with other {', '.join(others) or 'parameters'}.",
                "Fit with the parameters it was begun with, or use another folder.",
            )
        if digest != self.digest:
            raise UsageError(
                f"{path} is of a fit to other data.",
                "Fit the same data, or use another folder.",
            )


def _check(arrays: dict[str, Host], told: dict[str, Any], estimator: Any) -> None:
    """See that what a file tells can be of a fit of this estimator."""
    solver = estimator._optimizer.optimizer
    names = {"theta", "training", "held_out", "order", "random"}
    names |= {f"slot{i}" for i in range(solver.slots)}
    names |= {"best"} if estimator.early_stopping else set()
    if set(arrays) != names:
        raise ValueError("its arrays are not those of such a fit")
    if isinstance(solver, Adam) and (arrays["slot1"] < 0).any():
        raise ValueError("its mean squares are negative")
    theta = theta_of(estimator)
    vectors = [
        array for name, array in arrays.items() if name.startswith(("theta", "slot", "best"))
    ]
    if any((v.shape, v.dtype) != (theta.shape, theta.dtype) for v in vectors):
        raise ValueError("its arrays do not fit the parameters")
    if not all(np.isfinite(vector).all() for vector in vectors):
        raise ValueError("its arrays are not finite")
    training, held_out = arrays["training"], arrays["held_out"]
    rows = np.sort(np.concatenate([training, held_out]))
    places = np.arange(len(training))
    if not (
        np.array_equal(rows, np.arange(len(rows)))
        and np.array_equal(np.sort(arrays["order"]), places)
    ):
        raise ValueError("its rows are not each there once")
    if arrays["random"].shape != (624,) or arrays["random"].dtype != np.uint32:
        raise ValueError("its random numbers' state is none")
    counts = [told[name] for name in ("n_iter_", "t_", "_no_improvement_count", "steps", "place")]
    if not all(type(count) is int and count >= 0 for count in counts) or told["place"] > 624:
        raise ValueError("its counts are none")
    numbers = [told["learning_rate"], told["loss_"], *told["loss_curve_"]]
    numbers += told["validation_scores_"] or []
    numbers += [] if told["best_loss_"] is None else [told["best_loss_"]]
    if (
        not all(type(n) is float and math.isfinite(n) for n in numbers)
        or type(told["finished"]) is not bool
    ):
        raise ValueError("its numbers are none")
    _check_scores(told, estimator)


def _check_scores(told: dict[str, Any], estimator: Any) -> None:
    """See that the losses and scores belong together."""
    early = estimator.early_stopping
    losses, scores = told["loss_curve_"], told["validation_scores_"]
    best, of = (told["best_validation_score_"], scores) if early else (told["best_loss_"], losses)
    if not losses or told["loss_"] != losses[-1] or best not in (of or []):
        raise ValueError("its best is none of its losses or scores")
    if max(scores or [0]) > 1 or (min(losses) < 0 and is_classifier(estimator)):
        raise ValueError("its losses or scores cannot be")
    if not 1 <= told["n_iter_"] <= len(losses) or told["_no_improvement_count"] > len(losses):
        raise ValueError("its counts are none")
    if told["steps"] < 1 or told["learning_rate"] <= 0:
        raise ValueError("its steps are none")


def settings_of(estimator: Any, free: Container[str]) -> dict[str, Any]:
    """Return the parameters but for some, as JSON can hold them."""
    settings = {k: v for k, v in estimator.get_params(deep=False).items() if k not in free}
    return {name: _plain(value) for name, value in settings.items()}


def _plain(value: Any) -> Any:
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    return list(value) if isinstance(value, tuple) else value


def digest_of(X: Any, y: Host, weights: Host | None) -> str:
    """Return what tells the data of a fit from others."""
    if isinstance(X, DeviceRows):
        parts = [X.backend.to_numpy(X.array)]
    elif scipy.sparse.issparse(X):
        rows = X.tocsr()
        parts = [np.array(rows.shape), rows.data, rows.indices, rows.indptr]
    else:
        parts = [X]
    return data_digest(*parts, y, *([] if weights is None else [weights]))
