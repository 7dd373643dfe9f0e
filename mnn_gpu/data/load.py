"""Loading data of any supported format into memory."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from mnn_gpu.data.archive import archive_of, is_archive
from mnn_gpu.data.columns import TableOptions
from mnn_gpu.data.csv.reader import read_csv
from mnn_gpu.data.dataset import Dataset
from mnn_gpu.data.find_files import find_in_folder, holds_data
from mnn_gpu.data.idx import labels_beside, read_idx_images, read_idx_pair
from mnn_gpu.data.image_folder import find_image_folder, read_image_folder
from mnn_gpu.data.mnist import Part
from mnn_gpu.data.npy_folder.index import is_converted
from mnn_gpu.data.npy_folder.output_folder import is_unfinished
from mnn_gpu.data.npy_folder.reader import read_folder
from mnn_gpu.data.npz import read_npz
from mnn_gpu.data.parquet.reader import read_parquet
from mnn_gpu.data.untrusted_files import explain_os_error, given_path, is_folder
from mnn_gpu.errors import DataError, UsageError
from mnn_gpu.storage.file_kind import IMAGES, kind_of

KINDS = (
    "a .csv(.gz), .npz or .parquet file, IDX files (-ubyte, .gz or not), a folder or .zip of them, "
    "or a folder that mnn-gpu convert wrote"
)
CSV = (".csv", ".tsv", ".txt")
PARQUET = (".parquet", ".pq")
UNPACKED = (".npz", ".zip", *PARQUET, *IMAGES)
"""Endings of files that are read in any order, or in folders."""
TABLES = (*CSV, *PARQUET)


def load_dataset(
    paths: str | Path | Sequence[str | Path],
    part: Part = "train",
    *,
    label_column: str | int | None = None,
    keep_columns: bool = False,
    labelled: bool = True,
    features: int | None = None,
) -> Dataset:
    """Read a data set from files.

    Parameters
    ----------
    paths : path or sequence of two paths
        A Kaggle CSV (.gz or not), a Keras ``.npz``, a Parquet file, an IDX file of
        images (the label file is searched next to it), a pair of IDX files (images, labels), a
        folder or .zip archive that contains one of these, or a folder written by ``mnn-gpu
        convert``. A file in an archive is given as ``digits.zip/train.csv``. A folder may also
        contain one folder of images per class.
    part : {"train", "test"}
        Which part to use if a folder, an archive or an ``.npz`` has both.
    label_column : str or int, optional
        The label column in a CSV or Parquet file: its name, first, last, or its position
        from 0, negative from the end. Default: the column named label, class, target, digit
        or y; in a CSV file without a header line, the first or the last, if the first rows
        determine it.
    keep_columns : bool
        Whether columns that number rows (an index, id, fold, whole numbers that count up)
        are pixels too. Default: they are left out, with a warning.
    labelled : bool
        Whether labels are required.
    features : int, optional
        Number of pixels per image, if known (for CSV files without a header line).

    Returns
    -------
    Dataset

    Raises
    ------
    DataError
        If the files are not valid; the message names file, row and column, if known, and the
        cure.
    """
    if isinstance(paths, str | Path):
        paths = [paths]
    files = [given_path(path) for path in paths]
    if len(files) == 2:
        _check_pair(files)
        check_table(files[0], label_column)
        return read_idx_pair(*files)
    if len(files) != 1:
        raise UsageError(
            f"{len(files)} data files are given.",
            "Give one file or folder, or a pair of IDX files: images, then labels.",
        )
    options = TableOptions(label_column, keep_columns, labelled, features)
    path = data_file(files[0], part)
    check_table(path, label_column)
    if is_converted(path):
        return read_folder(path, labelled)
    if path.is_dir():
        return read_image_folder(path)
    name = path.name.lower().removesuffix(".gz")
    if archive_of(path) is not None and name.endswith(UNPACKED):
        raise DataError(
            f"{path} cannot be read from within an archive.",
            "Unpack the archive and give the file.",
        )
    if name.endswith(CSV):
        return read_csv(path, options)
    if name.endswith(".npz"):
        return read_npz(path, part, labelled)
    if name.endswith(PARQUET):
        return read_parquet(path, options)
    if "ubyte" in name or "idx" in name:
        return _read_idx(path, labelled)
    raise _foreign(path)


def check_table(path: Path, label_column: str | int | None) -> None:
    """Check that a label column is given for tables only.

    Raises
    ------
    UsageError
    """
    is_table = path.name.lower().removesuffix(".gz").endswith(TABLES)
    if label_column is not None and not is_table:
        raise UsageError(
            f"--label-column names a column of a table, but {path} is not a table.", "Leave it out."
        )


def _check_pair(files: Sequence[Path]) -> None:
    """Check that two files may be images and labels, by their names."""
    for file in files:
        name = file.name.lower().removesuffix(".gz")
        if name.endswith((*TABLES, ".npz", ".zip")) or file.is_dir():
            raise UsageError(
                f"Two data files are given, and {file} is not an IDX file.",
                "Give one file or folder, or a pair of IDX files: images, then labels.",
            )


def _foreign(path: Path) -> DataError:
    kind = kind_of(path)
    if kind == "a model file":
        return DataError(
            f"{path} is a model file, not data.", "Give the model first, then the data."
        )
    if kind == "an image":
        return DataError(
            f"{path} is an image, not a data set.",
            "mnn-gpu predict reads images of digits; training needs many, with labels.",
        )
    return DataError(f"The file type of {path} is unknown.", f"Give {KINDS}.")


def data_file(path: Path, part: Part) -> Path:
    """Return the data file, or the folder of converted data or of class folders.

    A file in a zip archive is given by a path through it, ``digits.zip/train.csv``.

    Raises
    ------
    DataError
        If there is none, or more than one.
    """
    if archive_of(path) is not None:
        return path
    if not is_folder(path):
        return find_in_folder(path, part) if is_archive(path) else path
    if is_converted(path):
        return path
    try:
        if is_unfinished(path):
            raise DataError(
                f"{path} contains an interrupted conversion.", "Convert the data again."
            )
        if not holds_data(path) and (images := find_image_folder(path, part)) is not None:
            return images
        return data_file(find_in_folder(path, part), part)
    except OSError as error:
        raise explain_os_error(error, path) from error


def _read_idx(images: Path, labelled: bool) -> Dataset:
    labels = labels_beside(images)
    if labels is not None:
        return read_idx_pair(images, labels)
    if labelled:
        raise DataError(
            f"There is no label file next to {images}.",
            "Give both: --data IMAGES LABELS.",
        )
    return read_idx_images(images)
