"""Parquet files: one column a pixel and one for the label, read with pandas."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mnn_gpu.data.csv import label_name
from mnn_gpu.data.dataset import Dataset, checked_labels, checked_pixels
from mnn_gpu.errors import DataError


def read_parquet(path: Path, label_column: str | None = None, labelled: bool = True) -> Dataset:
    """Read a Parquet file whose columns are a label and pixels.

    Parameters
    ----------
    path : Path
    label_column : str, optional
        Default: the column called label, class, target, digit or y.
    labelled : bool
        Whether labels are wanted; without, their absence is no error.

    Raises
    ------
    DataError
        If pyarrow is missing, the file is damaged, a column is not numeric or the label
        column is missing.
    """
    try:
        import pandas as pd
        import pyarrow
    except ImportError as error:
        raise DataError(
            f"{path}: reading Parquet needs the package pyarrow.",
            'Run pip install "mnn_gpu[parquet]".',
        ) from error
    try:
        frame = pd.read_parquet(path, engine="pyarrow")
    except (OSError, pyarrow.ArrowException) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise DataError(
            f"{path} is not a whole Parquet file ({reason}).", "Download or copy it again."
        ) from error
    frame.columns = [str(name) for name in frame.columns]  # type: ignore[assignment]
    label = label_name(list(frame.columns), label_column, str(path), labelled)
    y: Any = None if label is None else frame.pop(label).to_numpy()
    for name, dtype in frame.dtypes.items():
        if getattr(dtype, "kind", "O") not in "uifb":
            raise DataError(
                f"{path}, column {name}: {dtype} is not a type of pixels.",
                "Keep one numeric column a pixel and one for the label.",
            )
    X = checked_pixels(frame.to_numpy(), str(path))
    return Dataset(X, None if y is None else checked_labels(y, len(X), str(path)), str(path))
