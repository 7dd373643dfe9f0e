"""The index of a folder written by `mnn-gpu convert`, which describes its files."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from mnn_gpu.data.blocks import MOST_CLASSES
from mnn_gpu.data.feature_names import text_names
from mnn_gpu.data.pixel_dtype import KINDS
from mnn_gpu.data.untrusted_files import explain_os_error, is_folder
from mnn_gpu.errors import DataError
from mnn_gpu.storage.regular_file import open_regular

INDEX = "index.json"
FORMAT = "mnn_gpu blocks"
VERSION = 1
CURE = "Convert the data again with mnn-gpu convert, or copy the whole folder again."
MOST_FILES = 100_000
MOST_INDEX = 1 << 25
"""Bytes: more than an index with the largest number of files, classes and names has."""
MOST_NUMBER = 1 << 53


@dataclass(frozen=True)
class Index:
    """The content of `index.json`. It contains no paths: the files are numbered.

    Attributes
    ----------
    rows, features : int
    dtype : "uint8" or "float32"
        The type of the images.
    labelled : bool
    image_shape : (height, width) or None
    classes : tuple of (label, rows)
        Sorted; empty if there are no labels.
    files : tuple of int
        Number of rows in each file.
    digest : str
        Digest of all pixels and labels, computed when they were written.
    largest : int or None
        The largest integer pixel; None for fractions, and in folders of earlier versions.
    feature_names : tuple of str or None
        The column names of a table; None in folders of earlier versions.
    """

    rows: int
    features: int
    dtype: str
    labelled: bool
    image_shape: tuple[int, int] | None
    classes: tuple[tuple[int, int], ...]
    files: tuple[int, ...]
    digest: str
    largest: int | None = None
    feature_names: tuple[str, ...] | None = None

    def text(self) -> str:
        """Return the content of `index.json`."""
        about = {"format": FORMAT, "version": VERSION, **asdict(self)}
        return json.dumps(about, ensure_ascii=False) + "\n"


def images_name(number: int) -> str:
    """Return the name of a file of images."""
    return f"images-{number:05d}.npy"


def labels_name(number: int) -> str:
    """Return the name of the file with the labels of the same rows, int64."""
    return f"labels-{number:05d}.npy"


def is_converted(path: Path) -> bool:
    """Return whether this is a folder of a finished conversion, even if damaged."""
    try:
        if not (path / INDEX).is_file():
            return False
        with open_regular(path / INDEX) as file:
            return FORMAT.encode() in file.read(4096) or (path / images_name(0)).exists()
    except (OSError, ValueError):
        return False


def read_index(folder: Path) -> Index:
    """Read and check the index of a folder.

    Raises
    ------
    DataError
        If it is missing, damaged, inconsistent or of another version.
    """
    path = folder / INDEX
    if is_folder(path):
        raise DataError(f"{path} is a folder, not the index of converted data.", CURE)
    try:
        with open_regular(path) as file:
            content = file.read(MOST_INDEX + 1)
        if len(content) > MOST_INDEX:
            raise ValueError(f"it has over {MOST_INDEX:,} bytes")
        return _index(json.loads(content))
    except OSError as error:
        raise explain_os_error(error, path) from error
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        reason = f"no {error}" if isinstance(error, KeyError) else str(error)
        raise DataError(f"{path} is not the index of converted data ({reason}).", CURE) from error


def _index(entries: Any) -> Index:
    if not isinstance(entries, dict) or entries.get("format") != FORMAT:
        raise ValueError("it has another format")
    if entries.get("version") != VERSION:
        raise ValueError(f"its version is {entries.get('version')!r:.20}, not {VERSION}")
    files = tuple(_whole("files", rows, 1) for rows in entries["files"])
    classes = tuple((_whole("label", a, 0), _whole("count", b, 1)) for a, b in entries["classes"])
    index = Index(
        _whole("rows", entries["rows"], 1),
        _whole("features", entries["features"], 1),
        entries["dtype"],
        entries["labelled"],
        _shape(entries["image_shape"]),
        classes,
        files,
        entries["digest"],
        None if entries.get("largest") is None else _whole("largest", entries["largest"], 0),
        None if entries.get("feature_names") is None else tuple(entries["feature_names"]),
    )
    _check(index)
    return index


def _whole(name: str, value: Any, least: int) -> int:
    if type(value) is not int or not least <= value < MOST_NUMBER:
        raise ValueError(f"{name} is {value!r:.40}")
    return value


def _shape(value: Any) -> tuple[int, int] | None:
    if value is None:
        return None
    height, width = value
    return _whole("image_shape", height, 1), _whole("image_shape", width, 1)


def _check(index: Index) -> None:
    """Check that the values in the index are consistent."""
    labels = [label for label, _ in index.classes]
    faults = {
        "dtype": index.dtype not in KINDS,
        "labelled": type(index.labelled) is not bool,
        "digest": not (isinstance(index.digest, str) and 16 <= len(index.digest) <= 128),
        "files": not 0 < len(index.files) <= MOST_FILES or sum(index.files) != index.rows,
        "image_shape": index.image_shape is not None
        and index.image_shape[0] * index.image_shape[1] != index.features,
        "largest": index.largest is not None and index.largest > 255,
        "feature_names": index.feature_names is not None
        and (text_names(index.feature_names) is None or len(index.feature_names) != index.features),
        "classes": len(labels) > MOST_CLASSES
        or labels != sorted(set(labels))
        or sum(count for _, count in index.classes) != index.rows * (index.labelled is True),
    }
    for name, wrong in faults.items():
        if wrong:
            raise ValueError(f"its {name} is not valid")
    int(index.digest, 16)
