"""A folder with the last two checkpoints of a long computation.

A checkpoint is a numbered safetensors file of arrays and values, written atomically; the older one
is kept until the newer one is on disk. `Checkpoints.load` returns the newest one that is intact
and belongs to the same settings and data. What it holds, and how a computation continues from it,
is up to `training/checkpoint.py` and `estimators/checkpoint.py`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

import numpy as np
import numpy.typing as npt

from mnn_gpu.errors import ModelFileError, OutputError, TrainingWarning, UsageError, warn
from mnn_gpu.storage.atomic_write import check_space, check_writable, write_atomically
from mnn_gpu.storage.folder_lock import FolderLock
from mnn_gpu.storage.os_errors import READ_CURE, is_of_system
from mnn_gpu.storage.safetensors_file import (
    DAMAGE,
    dump_with_checksum,
    load_metadata,
    load_with_checksum,
)

C = TypeVar("C", bound="Checkpoints")
Arrays: TypeAlias = Mapping[str, npt.NDArray[Any]]
Check: TypeAlias = tuple[str, Callable[..., bool], str]
"""Names of facts, separated by spaces; a predicate of their values; the error if it is false."""

FORMAT = "mnn_gpu {kind} checkpoint 3"
PATTERN = "checkpoint*.safetensors"
KEPT = 2


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


class Checkpoints:
    """The checkpoints of one computation in a folder, locked against other runs while it is open.

    Parameters
    ----------
    folder : path
        Created if it is missing.
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

    Raises
    ------
    OutputError
        If the folder cannot be written to.
    UsageError
        If another run has locked it, or it has a checkpoint that starting over would lose.
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
        if not isinstance(folder, str | Path) or not str(folder) or "\0" in str(folder):
            raise UsageError(f"checkpoint is {folder!r}.", "Give the name of a folder.")
        self.folder = Path(folder)
        self.format = FORMAT.format(kind=kind)
        self.settings, self.defaults = settings, defaults or {}
        self.digest = digest
        self.failed = False
        check_writable(self.folder / "checkpoint", make_folder=True)
        self.lock = FolderLock(self.folder)
        self.written: set[Path] = set()
        for torn in self.folder.glob(f".{PATTERN}.*"):  # Left by a run that was killed.
            self._remove(torn)
        if how_to_resume is not None and (paths := self.paths()):
            self.lock.close()
            raise UsageError(
                f"{paths[0]} already exists.",
                f"Resume from it with {how_to_resume}, or remove it to start over.",
            )

    def __enter__(self: C) -> C:
        return self

    def __exit__(self, *_: object) -> None:
        self.lock.close()

    def paths(self) -> list[Path]:
        """Return the checkpoints in the folder, newest first; other files are ignored."""
        return checkpoints_in(self.folder)

    # ---- writing -----------------------------------------------------------------------

    def check_space(self, size: int) -> None:
        """Raise an OutputError unless the disk has space for checkpoints of ``size`` bytes."""
        there = sum(path.lstat().st_size for path in self.paths())
        check_space(self.folder, (KEPT + 1) * size - there)

    def save(self, record: CheckpointRecord) -> None:
        """Write a checkpoint and remove all older ones but one.

        A checkpoint with a higher number was damaged; it is kept for inspection. A full disk
        does not end the run: the earlier checkpoints stay, and a `TrainingWarning` is issued
        once. A link or a pipe with the checkpoint's name is replaced, not followed.
        """
        values = {"number": record.number, "settings": self.settings, **record.values}
        # JSON writes floats only; losses may be float32.
        texts = {name: json.dumps(value, default=float) for name, value in values.items()}
        metadata = {"format": self.format, "data": self.digest, **texts}
        content = dump_with_checksum(record.arrays, metadata)
        try:
            path = self.folder / f"checkpoint-{record.number:09d}.safetensors"
            write_atomically(path, content, follow=False)
            self.written.add(path)
            self.failed = False
        except OSError as error:
            if not self.failed:
                cause = error.cause if isinstance(error, OutputError) else f"{error}."
                warn(
                    f"{cause} Training continues; the previous checkpoint is kept.", TrainingWarning
                )
            self.failed = True
            return
        older = [path for path in self.paths() if (number_of(path) or 0) < record.number]
        for old in older[KEPT - 1 :]:
            self._remove(old)

    def _remove(self, path: Path) -> None:
        """Remove a file that no other run can be using; folders stay."""
        is_own = self.lock.held or path in self.written
        if is_own and (path.is_symlink() or not path.is_dir()):
            with suppress(OSError):  # Another program has it open: the next time.
                path.unlink()

    # ---- reading -----------------------------------------------------------------------

    def load(self, check: Callable[[CheckpointRecord], None]) -> CheckpointRecord | None:
        """Return the newest checkpoint that is intact, None if there is no file.

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
        paths = self.paths()
        faults = []
        for path in paths:
            try:
                return self._read(path, check)
            except (UsageError, ModelFileError):
                raise
            except DAMAGE as error:
                faults.append(_fault(path, error))
                if path != paths[-1]:
                    warn(f"{faults[-1][0]} Using the previous one.", TrainingWarning)
        if faults:
            raise ModelFileError(*faults[0])
        return None

    def _read(self, path: Path, check: Callable[[CheckpointRecord], None]) -> CheckpointRecord:
        arrays, metadata = load_with_checksum(path)
        if metadata.pop("format", None) != self.format:
            raise ModelFileError(
                f"{path} was written by another version of mnn_gpu, or by another command.",
                "Resume with the version and the command that wrote it, or use another folder.",
            )
        digest = metadata.pop("data", "")
        values = {name: json.loads(text) for name, text in metadata.items()}
        settings = {**self.defaults, **values.pop("settings")}
        record = CheckpointRecord(values.pop("number"), arrays, values)
        # Before the arrays: arrays of another computation are not damage.
        self._check_same(path, settings, digest)
        check(record)
        if record.number != number_of(path):
            raise ValueError(f"its number is {record.number}")
        return record

    def _check_same(self, path: Path, settings: Mapping[str, Any], digest: str) -> None:
        check_settings(path, settings, self.settings)
        if digest != self.digest:
            raise UsageError(
                f"{path} belongs to a run on other data.",
                "Resume with the same data and held-out rows, or use another folder.",
            )


def check_settings(path: Path, found: Mapping[str, Any], wanted: Mapping[str, Any]) -> None:
    """Raise a UsageError if a checkpoint has other settings."""
    for name, value in wanted.items():
        if found.get(name) != value:
            raise UsageError(
                f"{path} belongs to a run with {name} {found.get(name)!r}, not {value!r}.",
                "Resume with the settings of that run, or use another folder.",
            )


def checkpoints_in(folder: Path) -> list[Path]:
    """Return the checkpoints in a folder, newest first; other files are ignored."""
    named = [path for path in folder.glob(PATTERN) if number_of(path) is not None]
    return sorted(named, key=lambda path: number_of(path) or 0, reverse=True)


def newest_values(folder: Path) -> tuple[Path, dict[str, Any]] | None:
    """Return the newest checkpoint with a readable header, and its values; nothing is locked.

    The arrays and the checksum are not read: `Checkpoints.load` does that.
    """
    for path in checkpoints_in(folder):
        with suppress(*DAMAGE):
            texts = load_metadata(path)
            names = texts.keys() - {"format", "data", "checksum"}
            return path, {name: json.loads(texts[name]) for name in names}
    return None


def number_of(path: Path) -> int | None:
    """Return the number in a checkpoint's name, or None for any other file."""
    found = re.fullmatch(r"checkpoint-(\d{9,18})\.safetensors", path.name)
    return int(found[1]) if found else None


def _fault(path: Path, error: BaseException) -> tuple[str, str]:
    """Return why a file cannot be used, and the cure."""
    if is_of_system(error.__cause__):
        return f"{path} cannot be read ({error}).", READ_CURE
    return f"{path} is not a complete checkpoint ({error}).", "Remove it to start over."


# ---- checks of a record's content --------------------------------------------------------


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
