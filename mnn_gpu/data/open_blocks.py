"""Opening data that are larger than memory, as `Blocks`."""

from __future__ import annotations

from pathlib import Path

from mnn_gpu.data.blocks import Blocks
from mnn_gpu.data.columns import TableOptions
from mnn_gpu.data.load import PARQUET, check_table
from mnn_gpu.data.npy_folder.index import is_converted
from mnn_gpu.data.npy_folder.reader import NpyFolder
from mnn_gpu.data.parquet.blocks import ParquetBlocks
from mnn_gpu.data.untrusted_files import given_path, is_folder
from mnn_gpu.errors import DataError

__all__ = ["Blocks", "open_blocks"]


def open_blocks(
    path: str | Path, label_column: str | int | None = None, keep_columns: bool = False
) -> Blocks:
    """Open a data set to be read some rows at a time.

    Parameters
    ----------
    path : path
        A folder written by `mnn-gpu convert`, or a Parquet file.
    label_column, keep_columns
        As for `load_dataset`.

    Raises
    ------
    DataError
        If it is neither, or the data are not valid.
    """
    path = given_path(path)
    if not is_folder(path) and path.suffix.lower() in PARQUET:
        return ParquetBlocks(path, TableOptions(label_column, keep_columns, labelled=False))
    if is_converted(path):
        check_table(path, label_column)
        return NpyFolder(path)
    raise DataError(
        f"{path} cannot be read some rows at a time.",
        f"Convert it first, with mnn-gpu convert {path} FOLDER, and give the folder.",
    )
