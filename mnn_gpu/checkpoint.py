"""A training that can go on after it was cut: its last two snapshots in a folder.

Each is a file of its own, named after its iteration, whole or not there; the older one
stays until the newer is on the disk.
"""

from __future__ import annotations

import json
import re
import warnings
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import Any

from mnn_gpu.backend import Backend
from mnn_gpu.config import TrainingConfig
from mnn_gpu.errors import ModelFileError, OutputError, TrainingWarning, UsageError
from mnn_gpu.folder_lock import FolderLock
from mnn_gpu.output_file import check_space, check_writable, write_atomically
from mnn_gpu.snapshot import Snapshot, check_arrays, read, state_arrays, to_bytes
from mnn_gpu.step import State

PATTERN = "checkpoint*.safetensors"
KEPT = 2
FREE = ("until", "report_every", "shard_rows")
"""What a training may be resumed with otherwise: it changes no parameter, or only its last
bits."""


class Checkpoint:
    """The snapshots in a folder, bound to one recipe and one set of data; held while open.

    Parameters
    ----------
    folder : path
        Made if it is missing.
    config : TrainingConfig
    digest : str
        See `snapshot.data_digest`.

    Raises
    ------
    OutputError
        If the folder cannot be written to.
    UsageError
        If another run holds it.
    """

    def __init__(self, folder: str | Path, config: TrainingConfig, digest: str) -> None:
        if not isinstance(folder, str | Path) or not str(folder) or "\0" in str(folder):
            raise UsageError(f"checkpoint is {folder!r}.", "Give the name of a folder.")
        self.folder = Path(folder)
        self.config = json.loads(json.dumps(asdict(config)))
        self.digest = digest
        self.failed = False
        check_writable(self.folder / "checkpoint", make_folder=True)
        self.lock = FolderLock(self.folder)
        for torn in self.folder.glob(f".{PATTERN}.*"):  # Of a run that was killed.
            torn.unlink(missing_ok=True)

    def __enter__(self) -> Checkpoint:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.lock.close()

    def check_free(self, resume: bool) -> None:
        """See that nothing is lost by a training that does not go on from what is there.

        Raises
        ------
        UsageError
        """
        if not resume and (paths := self._paths()):
            raise UsageError(
                f"{paths[0]} is there already.",
                "Go on from it with --resume, or remove it to start anew.",
            )

    def check_space(self, state: State, backend: Backend) -> None:
        """See that the disk holds all snapshots of a state that there ever are at a time.

        Raises
        ------
        OutputError
        """
        need = sum(array.nbytes for array in state_arrays(state, backend).values())
        there = sum(path.stat().st_size for path in self._paths())
        check_space(self.folder, (KEPT + 1) * need - there)

    def save(self, snapshot: Snapshot) -> None:
        """Write a snapshot and forget all but the last two.

        A disk that is full ends no training: then what was there before stays, and a
        `TrainingWarning` says so, once.
        """
        path = self.folder / f"checkpoint-{snapshot.iteration:09d}.safetensors"
        content = to_bytes(snapshot, {"config": json.dumps(self.config), "data": self.digest})
        try:
            write_atomically(path, content)
            for old in self._paths()[KEPT:]:
                old.unlink(missing_ok=True)
            self.failed = False
        except (OutputError, OSError) as error:
            if not self.failed:
                cause = error.cause if isinstance(error, OutputError) else str(error)
                warnings.warn(
                    f"{cause} The training goes on, with the checkpoint of before.",
                    TrainingWarning,
                    stacklevel=2,
                )
            self.failed = True

    def load(self, like: State, backend: Backend) -> Snapshot | None:
        """Return the newest snapshot that is whole, None if there is no file at all.

        Parameters
        ----------
        like : State
            Has arrays of the shapes that are wanted.
        backend : Backend

        Raises
        ------
        ModelFileError
            If all that is there is damaged or none of ours.
        UsageError
            If it belongs to another recipe or other data.
        """
        paths = self._paths()
        faults = []
        for path in paths:
            try:
                return self._loaded(path, like, backend)
            except ValueError as error:
                if isinstance(error, UsageError):
                    raise
                faults.append(f"{path} is not a whole checkpoint ({error}).")
                if path != paths[-1]:
                    warnings.warn(f"{faults[-1]} Taking the one before.", TrainingWarning, 2)
        if faults:
            raise ModelFileError(faults[0], "Remove it to start anew.")
        return None

    def _loaded(self, path: Path, like: State, backend: Backend) -> Snapshot:
        snapshot, metadata = read(path)
        config = _config_in(metadata)
        # Before the arrays: another network is not damage.
        self._check_same(path, config, metadata.get("data", ""))
        check_arrays(snapshot, state_arrays(like, backend))
        return snapshot

    def _paths(self) -> list[Path]:
        """Return the files in the folder, the newest first."""
        return sorted(self.folder.glob(PATTERN), key=_iteration_of, reverse=True)

    def _check_same(self, path: Path, config: dict[str, Any], digest: str) -> None:
        for name, value in self.config.items():
            before = config.get(name)
            if name not in FREE and before != value:
                raise UsageError(
                    f"{path} is of a training with {name} {before!r}, not {value!r}.",
                    "Resume with the options it was begun with, or take another folder.",
                )
        if digest != self.digest:
            raise UsageError(
                f"{path} is of a training on other data.",
                "Resume with the same --data, --rows and --holdout, or take another folder.",
            )


def _config_in(metadata: dict[str, str]) -> dict[str, Any]:
    try:
        config = json.loads(metadata["config"])
    except (KeyError, ValueError, RecursionError) as error:
        raise ValueError(f"its config is none: {error}") from error
    if not isinstance(config, dict):
        raise ValueError("its config is none")
    return config


def _iteration_of(path: Path) -> int:
    """Return the iteration that a file is named after, -1 if none."""
    found = re.fullmatch(r"checkpoint-(\d{1,18})\.safetensors", path.name)
    return int(found[1]) if found else -1
