"""Reads a file and reports the outcome."""

from __future__ import annotations

import time
import traceback
import warnings
from pathlib import Path
from typing import Any

import numpy as np

import mnn_gpu
from mnn_gpu.handwriting.decode import opened
from tests.support.fuzzing.oracles import expected

BAD_FILE = 4
"""The exit code for a file that is damaged or of another kind."""


def judged(kind: str, path: Path) -> tuple[str, str, float]:
    """Read a file; return refused, accepted, wrong or tracebacks, the reason, and CPU seconds."""
    started = time.process_time()
    found, outcome, detail = _read(kind, path)
    seconds = time.process_time() - started
    if outcome == "accepted" and (detail := _difference(kind, path, found)):
        outcome = "wrong"
    return outcome, detail, seconds


def _read(kind: str, path: Path) -> tuple[list[Any], str, str]:
    try:
        with warnings.catch_warnings():
            # Such as that a column was left out, whose header's damage made it look like an index.
            warnings.simplefilter("ignore", mnn_gpu.DataWarning)
            return value(kind, path), "accepted", ""
    except mnn_gpu.MnnGpuError as error:
        is_clear = path.name in error.cause and error.cure and error.exit_code == BAD_FILE
        return [], "refused" if is_clear else "tracebacks", repr(error)
    except BaseException:
        return [], "tracebacks", traceback.format_exc(limit=-3)


def value(kind: str, path: Path) -> list[Any]:
    """Return what mnn_gpu reads, in the form that the oracles have."""
    if kind.startswith("model"):
        return [np.sort(mnn_gpu.load_model(path).theta)]
    if kind.startswith("weights"):
        return [np.sort(mnn_gpu.import_model(path).theta)]
    if kind in ("CSV", "CSV.gz", "IDX", "IDX.gz", "npz", "Parquet"):
        data = mnn_gpu.load_dataset(path, labelled=not kind.startswith("IDX"))
        return [data.X, data.y]
    digit = mnn_gpu.prepare_digit(path)
    if digit.shape != (28, 28) or digit.dtype != np.uint8:
        raise AssertionError(f"the digit is {digit.shape} {digit.dtype}")
    return [np.asarray(opened(path)[0].convert("RGBA"))]


def _difference(kind: str, path: Path, values: list[Any]) -> str:
    """Return how values differ from what the oracle finds in the file."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            truth = expected(kind, path)
        except Exception as error:
            return f"accepted, but the oracle says {error!r}"[:500]
    for found, wanted in zip(values, truth, strict=False):
        if not np.array_equal(found, wanted) and (found is not None or wanted is not None):
            return f"{found} is not {wanted}"[:500]
    return ""
