"""A training that can go on after it was cut."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

from mnn_gpu.backends import Backend
from mnn_gpu.errors import UsageError
from mnn_gpu.step.train_step import State
from mnn_gpu.storage.checkpoint_folder import SnapshotFolder, number_of
from mnn_gpu.training.checkpoints.checkpoint_file import (
    Arrays,
    Snapshot,
    check_arrays,
    read,
    state_arrays,
    to_bytes,
)
from mnn_gpu.training.config import TrainingConfig

FREE = ("target_accuracy", "report_every", "shard_rows", "shards", "fast_reduce")
"""What a training may be resumed with otherwise: it changes no parameter, or only its last
bits."""

SQUARES = ("adam", "adamw")
"""Optimizers whose second slot is a mean of squares."""


class Checkpoint(SnapshotFolder):
    """A training's snapshots in a folder, bound to one recipe and one set of data.

    Parameters
    ----------
    folder : path
        See `SnapshotFolder`, also for what is raised.
    config : TrainingConfig
    digest : str
        See `tensor_file.data_digest`.
    """

    def __init__(self, folder: str | Path, config: TrainingConfig, digest: str) -> None:
        super().__init__(folder)
        self.config = json.loads(json.dumps(asdict(config)))
        self.digest = digest

    def save(self, snapshot: Snapshot) -> None:
        """Write a snapshot; see `SnapshotFolder.write`."""
        belongs_to = {"config": json.dumps(self.config), "data": self.digest}
        self.write(snapshot.iteration, to_bytes(snapshot, belongs_to))

    def load(
        self, like: State, backend: Backend, samples_at: Callable[[int], int]
    ) -> Snapshot | None:
        """Return the newest snapshot that is whole, None if there is no file at all.

        Parameters
        ----------
        like : State
            Has arrays of the shapes that are wanted.
        backend : Backend
        samples_at : callable
            Returns how many samples the epoch had by an iteration.

        Raises
        ------
        ModelFileError
            If all that is there is damaged or none of ours.
        UsageError
            If it belongs to another recipe or other data.
        """
        arrays = state_arrays(like, backend)
        return self.newest(partial(self._loaded, like=arrays, samples_at=samples_at))

    def _loaded(self, path: Path, like: Arrays, samples_at: Callable[[int], int]) -> Snapshot:
        snapshot, metadata = read(path)
        # Before the arrays: another network is not damage.
        self._check_same(path, _config_in(metadata), metadata.get("data", ""))
        check_arrays(snapshot, like, samples_at(snapshot.iteration))
        if self.config["optimizer"] in SQUARES and (snapshot.arrays["slot1"] < 0).any():
            raise ValueError("its mean squares are negative")
        if snapshot.iteration != number_of(path):
            raise ValueError(f"it is of iteration {snapshot.iteration}")
        return snapshot

    def _check_same(self, path: Path, config: dict[str, Any], digest: str) -> None:
        config = asdict(TrainingConfig()) | config  # What an older version did not know of.
        for name, value in self.config.items():
            before = config[name]
            if name not in FREE and before != value:
                raise UsageError(
                    f"{path} is of a training with {name} {before!r}, not {value!r}.",
                    "Resume with the options it was begun with, or use another folder.",
                )
        if digest != self.digest:
            raise UsageError(
                f"{path} is of a training on other data.",
                "Resume with the same --data, --rows and --holdout, or use another folder.",
            )


def _config_in(metadata: dict[str, str]) -> dict[str, Any]:
    try:
        config = json.loads(metadata["config"])
    except (KeyError, ValueError, RecursionError) as error:
        raise ValueError(f"its config is none: {error}") from error
    if not isinstance(config, dict):
        raise ValueError("its config is none")
    return config
