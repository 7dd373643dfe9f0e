"""The exceptions of mnn_gpu, each with its cause, its cure and an exit code; its warnings."""

from __future__ import annotations

import re
import sys
import warnings
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from types import FrameType

    import numpy.typing as npt


PACKAGE = __file__.removesuffix("errors.py")
OPTION = re.compile(
    r"(?<![\w`-])(?<!mnn-gpu )(?<!train )"
    r"--([a-z][a-z-]+)(?: ([A-Z]+|[\d.e+-]*\d|cpu|cuda:N))?"
)
"""An option of the command line in a cure, with its value; options within a command are skipped."""
ARGUMENTS = {
    "lr": "learning_rate",
    "no-augment": "augmentation=None",
    "no-stream": "load_dataset",
    "resume": "resume=True",
    "stream": "open_blocks",
}
FOREIGN = ("gpus", "mpi", "mpi-lib-version", "help", "rows", "unlabelled", "force")
"""Options of other programs, and options without an equivalent argument in Python."""


def in_python(cure: str) -> str:
    """Return a cure with command-line options replaced by the equivalent Python arguments."""

    def argument(found: re.Match[str]) -> str:
        option, value = found[1], found[2]
        if option in FOREIGN:
            return found[0]
        name = ARGUMENTS.get(option, option.replace("-", "_"))
        if value is None:
            return name
        return f'{name}="{value}"' if value.startswith("c") else f"{name}={value}"

    # Text between backquotes is a command.
    parts = cure.split("`")
    return "`".join(p if i % 2 else OPTION.sub(argument, p) for i, p in enumerate(parts))


class MnnGpuError(Exception):
    """Base class of all errors that mnn_gpu raises deliberately.

    Parameters
    ----------
    cause : str
        What is wrong, in one sentence.
    cure : str
        What the user can do about it, in one sentence. It names command-line options; the
        text of the exception names the Python arguments instead.

    Attributes
    ----------
    exit_code : int
        Exit code of the command line: 2 usage, 3 device or ranks not available, 4 bad
        data, model or output file, 5 diverged.
    """

    exit_code = 1

    def __init__(self, cause: str, cure: str) -> None:
        super().__init__(cause, cure)
        self.cause = cause
        self.cure = cure

    def __str__(self) -> str:
        return f"{self.cause}\n{in_python(self.cure)}"


class UsageError(MnnGpuError, ValueError):
    """An option or argument that is not valid."""

    exit_code = 2


class DeviceError(MnnGpuError, RuntimeError):
    """A requested device cannot be used.

    Attributes
    ----------
    stage : str
        The stage of the probe that failed, or ``"running"`` after the probe.
    """

    exit_code = 3

    def __init__(self, cause: str, cure: str, stage: str = "running") -> None:
        super().__init__(cause, cure)
        self.args = (cause, cure, stage)
        self.stage = stage


class LaunchError(MnnGpuError, RuntimeError):
    """A launcher started several ranks, but MPI does not connect them."""

    exit_code = 3


class RankError(MnnGpuError, RuntimeError):
    """Another rank failed, so this rank cannot continue.

    Attributes
    ----------
    rank : int
        The rank that failed.
    """

    def __init__(self, rank: int, cause: str, cure: str, exit_code: int = 1) -> None:
        super().__init__(f"Rank {rank} failed: {cause}", cure)
        self.args = (rank, cause, cure, exit_code)
        self.rank = rank
        self.exit_code = exit_code


class DataError(MnnGpuError, ValueError):
    """A data file or array that cannot be used."""

    exit_code = 4


class ModelFileError(MnnGpuError, ValueError):
    """A file, or a model of another library, that is not a valid model for this package."""

    exit_code = 4


class OutputError(MnnGpuError, OSError):
    """A file that cannot be written."""

    exit_code = 4


class StdoutError(OutputError):
    """The result cannot be written to stdout; no failure (code 0) if its reader closed the pipe."""

    def __init__(self, cause: str, cure: str, is_closed: bool = False) -> None:
        super().__init__(cause, cure)
        self.args = (cause, cure, is_closed)
        self.exit_code = 0 if is_closed else OutputError.exit_code


class DivergedError(MnnGpuError, ArithmeticError):
    """The loss is no longer finite.

    Attributes
    ----------
    iteration : int
        The first iteration whose loss was not finite, counted from 1.
    rows : (m,), integer, or None
        Indices of the training rows in its batch; None if the batch was all of them.
    model : Model or None
        With the last finite parameters: those of the last record before it, if there was one.
    """

    exit_code = 5

    def __init__(
        self,
        cause: str,
        cure: str,
        iteration: int,
        rows: npt.NDArray[Any] | None = None,
        model: Any = None,
    ) -> None:
        super().__init__(cause, cure)
        self.args = (cause, cure, iteration, rows, model)
        self.iteration = iteration
        self.rows = rows
        self.model = model


class TrainingWarning(UserWarning):
    """Training continues, but not exactly as requested; the text says what differs."""


class DataWarning(UserWarning):
    """Usable data that are probably not as intended; the text says how they are used."""


class FallbackWarning(UserWarning):
    """``auto`` chose the CPU although CuPy is installed; the text gives the cause.

    The GPU is broken, or the CPU is done first with the job.
    """


class CompilationWarning(UserWarning):
    """Compiling for a device takes more than a second; the result is kept for later runs."""


def warn(message: str, category: type[Warning]) -> None:
    """Issue a warning whose source is the line outside this package that led to it."""
    frame: FrameType | None = sys._getframe()
    level = 1
    while frame is not None and frame.f_code.co_filename.startswith(PACKAGE):
        level, frame = level + 1, frame.f_back
    warnings.warn(message, category, stacklevel=level)
