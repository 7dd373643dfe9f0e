"""A training that can go on after it was cut: all of its state in one safetensors file."""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from mnn_gpu import __version__
from mnn_gpu.backend import Backend
from mnn_gpu.config import TrainingConfig
from mnn_gpu.errors import ModelFileError, UsageError
from mnn_gpu.history import Record
from mnn_gpu.output_file import check_writable, write_atomically
from mnn_gpu.step import State
from mnn_gpu.stopping import Best

Arrays = dict[str, npt.NDArray[Any]]

FORMAT = "mnn_gpu checkpoint 1"
NAME = "checkpoint.safetensors"
FREE = ("until", "report_every")
"""What a training may be resumed with otherwise: it changes no parameter."""
DAMAGE = (OSError, KeyError, TypeError, ValueError, AttributeError, OverflowError, RecursionError)
"""What a file that is not whole can raise."""
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


class Checkpoint:
    """The file in a folder, bound to one recipe and one set of data.

    Parameters
    ----------
    folder : path
        Made if it is missing.
    config : TrainingConfig
    digest : str
        See `data_digest`.

    Raises
    ------
    OutputError
        If the folder cannot be written to.
    """

    def __init__(self, folder: str | Path, config: TrainingConfig, digest: str) -> None:
        if not isinstance(folder, str | Path) or not str(folder) or "\0" in str(folder):
            raise UsageError(f"checkpoint is {folder!r}.", "Give the name of a folder.")
        self.path = Path(folder) / NAME
        self.config = json.loads(json.dumps(asdict(config)))
        self.digest = digest
        check_writable(self.path, make_folder=True)

    def check_free(self, resume: bool) -> None:
        """See that nothing is lost by a training that does not go on from what is there.

        Raises
        ------
        UsageError
        """
        if not resume and self.path.exists():
            raise UsageError(
                f"{self.path} is there already.",
                "Go on from it with --resume, or remove it to start anew.",
            )

    def save(self, snapshot: Snapshot) -> None:
        """Write a snapshot, whole or not at all, in the place of the one before."""
        from safetensors.numpy import save

        best = snapshot.best
        arrays = {name: np.asarray(array, order="C") for name, array in snapshot.arrays.items()}
        if best is not None:
            arrays["best"] = np.asarray(best.theta, order="C")
        metadata = {
            "format": FORMAT,
            "version": __version__,
            "config": json.dumps(self.config),
            "data": self.digest,
            "iteration": str(snapshot.iteration),
            "seconds": repr(snapshot.seconds),
            "records": json.dumps([asdict(record) for record in snapshot.records]),
            "best": json.dumps(best and best.record),
        }
        write_atomically(self.path, save(arrays, metadata))

    def load(self, like: State, backend: Backend) -> Snapshot | None:
        """Return the snapshot in the folder, None if there is none.

        Parameters
        ----------
        like : State
            Has arrays of the shapes that are wanted.
        backend : Backend

        Raises
        ------
        ModelFileError
            If the file is damaged or none of ours.
        UsageError
            If it belongs to another recipe or other data.
        """
        from safetensors import SafetensorError, safe_open

        if not self.path.exists():
            return None
        try:
            with safe_open(self.path, framework="numpy") as file:
                metadata = file.metadata() or {}
                arrays: Arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            if metadata.get("format") != FORMAT:
                raise ValueError(f"its format is {metadata.get('format', 'not given')}")
            config, digest = json.loads(metadata["config"]), metadata["data"]
            if not isinstance(config, dict):
                raise TypeError("its config is none")
            snapshot = _snapshot(metadata, arrays)
        except (*DAMAGE, SafetensorError) as error:
            raise self.damaged(str(error)) from error
        # Before the arrays: another network is not damage.
        self._check_same(config, digest)
        try:
            _check_arrays(snapshot, state_arrays(like, backend))
        except DAMAGE as error:
            raise self.damaged(str(error)) from error
        return snapshot

    def damaged(self, reason: str) -> ModelFileError:
        """Return the error to raise."""
        return ModelFileError(
            f"{self.path} is not a whole checkpoint ({reason}).",
            "Remove it to start anew.",
        )

    def _check_same(self, config: dict[str, Any], digest: str) -> None:
        for name, value in self.config.items():
            before = config.get(name)
            if name not in FREE and before != value:
                raise UsageError(
                    f"{self.path} is of a training with {name} {before!r}, not {value!r}.",
                    "Resume with the options it was begun with, or take another folder.",
                )
        if digest != self.digest:
            raise UsageError(
                f"{self.path} is of a training on other data.",
                "Resume with the same --data, --rows and --holdout, or take another folder.",
            )


def _snapshot(metadata: dict[str, str], arrays: Arrays) -> Snapshot:
    """Return what a file tells; what cannot be is an error among `DAMAGE`."""
    iteration, seconds = int(metadata["iteration"]), float(metadata["seconds"])
    if iteration < 0 or not 0 <= seconds < math.inf:
        raise ValueError("its iteration or its time cannot be")
    records = tuple(Record(**record) for record in json.loads(metadata["records"]))
    for record in records:
        numbers = [value for value in asdict(record).values() if value is not None]
        if not all(type(value) in (int, float) for value in numbers):
            raise TypeError("its records are no numbers")
    counts = [record.iteration for record in records]
    if any(type(count) is not int for count in counts) or sorted({0, *counts}) != [0, *counts]:
        raise ValueError("its records are out of order")
    if counts and counts[-1] > iteration:
        raise ValueError("its records are later than its state")
    best = json.loads(metadata["best"])
    if best is not None and (type(best) is not int or not 0 <= best < len(records)):
        raise ValueError("its best record is none")
    kept = None if best is None else Best(best, arrays.pop("best"))
    return Snapshot(arrays, iteration, seconds, records, kept)


def _check_arrays(snapshot: Snapshot, like: Arrays) -> None:
    """See that the arrays are those of a training of this kind, at this iteration."""
    wanted = dict(like)
    present = dict(snapshot.arrays)
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


def state_arrays(state: State, backend: Backend) -> Arrays:
    """Return the arrays of a state by name, on the host."""
    named = {name: getattr(state, name) for name in METRICS}
    slots = {f"slot{i}": slot for i, slot in enumerate(state.slots)}
    named |= {"theta": state.theta} | slots
    return {name: backend.to_numpy(array) for name, array in named.items()}


def state_from(arrays: Arrays, like: State, backend: Backend) -> State:
    """Return the state that `state_arrays` took apart, on the device."""
    here = {name: backend.asarray(array) for name, array in arrays.items()}
    slots = tuple(here[f"slot{i}"] for i in range(len(like.slots)))
    return State(here["theta"], slots, *(here[name] for name in METRICS))


def data_digest(*arrays: npt.ArrayLike) -> str:
    """Return what tells data sets from each other, in hexadecimal."""
    digest = hashlib.blake2b(digest_size=16)
    for array in map(np.asarray, arrays):
        digest.update(f"{array.shape} {array.dtype.str}".encode())
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()
