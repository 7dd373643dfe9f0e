"""A training that can go on after it was cut: all of its state in one safetensors file."""

from __future__ import annotations

import hashlib
import json
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
            config = json.loads(metadata["config"])
            records = tuple(Record(**record) for record in json.loads(metadata["records"]))
            best = json.loads(metadata["best"])
            snapshot = Snapshot(
                arrays,
                int(metadata["iteration"]),
                float(metadata["seconds"]),
                records,
                None if best is None else Best(int(best), arrays.pop("best")),
            )
            digest = metadata["data"]
            shapes = {name: array.shape for name, array in arrays.items()}
        except (OSError, SafetensorError, KeyError, TypeError, ValueError) as error:
            raise self.damaged(str(error)) from error
        self._check_same(config, digest)
        wanted = state_arrays(like, backend)
        if shapes != {name: array.shape for name, array in wanted.items()}:
            raise self.damaged("its arrays do not fit the recipe")
        return snapshot

    def damaged(self, reason: str) -> ModelFileError:
        """Return the error to raise."""
        return ModelFileError(
            f"{self.path} is not a whole checkpoint ({reason}).",
            "Remove it to start anew.",
        )

    def _check_same(self, config: dict[str, Any], digest: str) -> None:
        others = [name for name in self.config if config.get(name) != self.config[name]]
        if others:
            name = others[0]
            raise UsageError(
                f"{self.path} is of a training with {name} {config.get(name)!r}, "
                f"not {self.config[name]!r}.",
                "Resume with the options it was begun with, or take another folder.",
            )
        if digest != self.digest:
            raise UsageError(
                f"{self.path} is of a training on other data.",
                "Resume with the same --data, --rows and --holdout, or take another folder.",
            )


def state_arrays(state: State, backend: Backend) -> Arrays:
    """Return the arrays of a state by name, on the host."""
    named = {name: getattr(state, name) for name in METRICS}
    slots = {f"slot{i}": slot for i, slot in enumerate(state.slots)}
    named |= {"theta": state.theta} | slots
    return {name: backend.to_numpy(array) for name, array in named.items()}


def state_from(arrays: Arrays, like: State, backend: Backend) -> State:
    """Return the state that `state_arrays` took apart, on the device."""
    here = {name: backend.asarray(arrays[name]) for name in state_arrays(like, backend)}
    slots = tuple(here[f"slot{i}"] for i in range(len(like.slots)))
    return State(here["theta"], slots, *(here[name] for name in METRICS))


def data_digest(*arrays: npt.ArrayLike) -> str:
    """Return what tells data sets from each other, in hexadecimal."""
    digest = hashlib.blake2b(digest_size=16)
    for array in map(np.asarray, arrays):
        digest.update(f"{array.shape} {array.dtype.str}".encode())
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()
