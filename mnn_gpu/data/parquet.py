"""Parquet files: one column a pixel and one for the label, read with pyarrow."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from mnn_gpu.data.csv import label_name
from mnn_gpu.data.dataset import Dataset, checked_labels, checked_pixels
from mnn_gpu.errors import DataError

COLUMN_CURE = "Keep one numeric column a pixel and one for the label."


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
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise DataError(
            f"{path}: reading Parquet needs the package pyarrow.",
            'Run pip install "mnn_gpu[parquet]".',
        ) from error
    try:
        table = pyarrow.parquet.read_table(path)
        names = [str(name) for name in table.column_names]
        columns = [column.to_numpy() for column in table.columns]
    except (pyarrow.ArrowException, OSError, ValueError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise DataError(
            f"{path} is not a whole Parquet file ({reason}).", "Download or copy it again."
        ) from error
    label = label_name(names, label_column, str(path), labelled)
    y = None if label is None else columns.pop(names.index(label))
    names = [name for name in names if name != label]
    for name, column in zip(names, columns, strict=True):
        if column.dtype.kind not in "uifb":
            raise DataError(f"{path}, column {name} does not hold numbers.", COLUMN_CURE)
    if not columns:
        raise DataError(f"{path} has no columns of pixels.", COLUMN_CURE)
    X = checked_pixels(np.stack(columns, axis=1), str(path))
    return Dataset(X, None if y is None else checked_labels(y, len(X), str(path)), str(path))
