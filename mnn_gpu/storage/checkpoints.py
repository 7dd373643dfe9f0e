"""Checkpoints: files of arrays and values that belong to one computation, with their checks."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from mnn_gpu.errors import ModelFileError, UsageError
from mnn_gpu.storage.checkpoint_folder import SnapshotFolder, number_of
from mnn_gpu.storage.safetensors_file import DAMAGE, dump_with_checksum, load_with_checksum

Arrays: TypeAlias = Mapping[str, npt.NDArray[Any]]
Check: TypeAlias = tuple[str, Callable[..., bool], str]
"""Names of facts, separated by spaces; a predicate of their values; the error if it is false."""

FORMAT = "mnn_gpu {kind} checkpoint 3"


@dataclass(frozen=True)
class CheckpointRecord:
    """The state of a computation between two steps.

    Attributes
    ----------
    number : int
        The number of the step; files are named after it.
    arrays : mapping of name to array, on the host
    values : mapping of name to value
        Values that can be stored as JSON.
    """

    number: int
    arrays: Arrays
    values: Mapping[str, Any]


class Checkpoints(SnapshotFolder):
    """The checkpoints of one computation in a folder.

    Parameters
    ----------
    folder : path
        See `SnapshotFolder`, also for the exceptions.
    kind : str
        The kind of computation.
    settings : mapping of name to value
        All settings that affect the result, as read back from JSON.
    digest : str
        Digest of the data, see `safetensors_file.data_digest`.
    how_to_resume : str, optional
        If given, the folder must have no checkpoint; the error suggests this way to resume.
    defaults : mapping of name to value, optional
        Settings of checkpoints that do not have them.
    """

    def __init__(
        self,
        folder: str | Path,
        kind: str,
        settings: Mapping[str, Any],
        digest: str,
        how_to_resume: str | None = None,
        defaults: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(folder)
        self.format = FORMAT.format(kind=kind)
        self.settings = settings
        self.digest = digest
        self.defaults = defaults or {}
        if how_to_resume is not None:
            try:
                self.check_free(how_to_resume)
            except UsageError:
                self.lock.close()
                raise

    def save(self, record: CheckpointRecord) -> None:
        """Write a record; see `SnapshotFolder.write`."""
        values = {"number": record.number, "settings": self.settings, **record.values}
        # JSON writes floats only; losses may be float32.
        texts = {name: json.dumps(value, default=float) for name, value in values.items()}
        metadata = {"format": self.format, "data": self.digest, **texts}
        self.write(record.number, dump_with_checksum(record.arrays, metadata))

    def load(self, check: Callable[[CheckpointRecord], None]) -> CheckpointRecord | None:
        """Return the newest record that is intact, None if there is no file.

        Parameters
        ----------
        check : callable
            Raises ValueError, or one of `DAMAGE`, for a record that is not valid.

        Raises
        ------
        ModelFileError
            If all files are damaged, or one has another format.
        UsageError
            If it belongs to other settings or other data.
        """
        return self.newest(lambda path: self._read(path, check))

    def _read(self, path: Path, check: Callable[[CheckpointRecord], None]) -> CheckpointRecord:
        arrays, metadata = load_with_checksum(path)
        if metadata.pop("format", None) != self.format:
            raise ModelFileError(
                f"{path} was written by another version of mnn_gpu, or by another command.",
                "Resume with the version and the command that wrote it, or use another folder.",
            )
        digest = metadata.pop("data", "")
        try:
            values = {name: json.loads(text) for name, text in metadata.items()}
            settings = {**self.defaults, **values.pop("settings")}
            record = CheckpointRecord(values.pop("number"), arrays, values)
        except DAMAGE as error:
            raise ValueError(str(error)) from error
        # Before the arrays: arrays of another computation are not damage.
        self._check_same(path, settings, digest)
        try:
            check(record)
        except DAMAGE as error:
            raise ValueError(str(error)) from error
        if record.number != number_of(path):
            raise ValueError(f"its number is {record.number}")
        return record

    def _check_same(self, path: Path, settings: Mapping[str, Any], digest: str) -> None:
        for name, value in self.settings.items():
            if settings.get(name) != value:
                raise UsageError(
                    f"{path} belongs to a run with {name} {settings.get(name)!r}, not {value!r}.",
                    "Resume with the settings of that run, or use another folder.",
                )
        if digest != self.digest:
            raise UsageError(
                f"{path} belongs to a run on other data.",
                "Resume with the same data and held-out rows, or use another folder.",
            )


def check_facts(facts: Mapping[str, Any], checks: Iterable[Check]) -> None:
    """Raise a ValueError for the first check that the facts do not pass."""
    for names, holds, message in checks:
        if not holds(*(facts[name] for name in names.split())):
            raise ValueError(message)


def same_shapes(arrays: Arrays, like: Arrays) -> bool:
    """Return whether the arrays have the names, shapes and dtypes of others."""
    forms = [{k: (v.shape, v.dtype) for k, v in some.items()} for some in (arrays, like)]
    return forms[0] == forms[1]


def all_finite(arrays: Arrays) -> bool:
    """Return whether all elements are finite."""
    return all(bool(np.isfinite(array).all()) for array in arrays.values())
