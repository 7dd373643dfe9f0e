"""What a file holds, found out by other means than mnn_gpu's: an array of each thing read.

Each oracle raises where a file cannot be read, and the reader may not accept it then.
"""

from __future__ import annotations

import csv
import gzip
import io
import struct
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet
import safetensors.numpy
from PIL import Image, ImageOps

LABELS = ("label", "class", "target", "digit", "y")
GREYS = {"I", "I;16", "I;16B", "I;16L", "F"}


def expected(kind: str, path: Path) -> list[Any]:
    """Return arrays: pixels and labels, or weights and biases, or the colors of an image."""
    return ORACLES[kind](path)


def _csv(path: Path) -> list[Any]:
    content = path.read_bytes()
    text = (gzip.decompress(content) if path.suffix == ".gz" else content).decode("utf-8-sig")
    rows = [row for row in csv.reader(io.StringIO(text, newline="")) if row]
    names = [cell.strip().lower() for cell in rows[0]]
    header = any(not _is_float(cell) for cell in rows[0])
    numbered = len(names) > 2 and rows[0] == [str(i) for i in range(len(names))]
    [at] = [i for i, name in enumerate(names) if name in LABELS] if header else [0]
    rows = rows[header or numbered :]
    if any(len(row) != len(names) for row in rows):
        raise ValueError("rows of different lengths")
    values = [[_whole(cell) for cell in row] for row in rows]
    y = np.array([row.pop(at) for row in values])
    return [_pixels(np.array(values)), y]


def _whole(cell: str) -> int:
    """Return the whole number that a cell is, exactly: 7, 7.0 or 7e0, blanks around it."""
    if "_" in cell or not cell.isascii() or Decimal(cell) != int(Decimal(cell)):
        raise ValueError(f"{cell!r} is no whole number")
    return int(Decimal(cell))


def _is_float(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _idx(path: Path) -> list[Any]:
    content = path.read_bytes()
    content = gzip.decompress(content) if path.suffix == ".gz" else content
    zero, kind, dimensions = struct.unpack(">HBB", content[:4])
    shape = struct.unpack(f">{dimensions}I", content[4 : 4 + 4 * dimensions])
    values = list(content[4 + 4 * dimensions :])
    if (zero, kind) != (0, 8):
        raise ValueError("another magic number")
    return [np.reshape(values, (shape[0], -1)), None]


def _npz(path: Path) -> list[Any]:
    with np.load(path, allow_pickle=False) as arrays:
        X, y = (
            next(arrays[name] for name in names if name in arrays)
            for names in (("x_train", "X_train", "x", "X"), ("y_train", "y"))
        )
    return [_pixels(X.reshape(len(X), -1)), y.reshape(-1)]


def _parquet(path: Path) -> list[Any]:
    table = pyarrow.parquet.ParquetFile(path).read()
    names = [name.strip().lower() for name in table.column_names]
    [at] = [i for i, name in enumerate(names) if name in LABELS]
    columns = [np.array(column.to_pylist()) for column in table.columns]
    y = columns.pop(at)
    return [_pixels(np.stack(columns, axis=1)), y]


def _pixels(X: Any) -> Any:
    if not ((X >= 0) & (X <= 255)).all():
        raise ValueError("pixels out of range")
    return X


def _safetensors(path: Path) -> list[Any]:
    content = path.read_bytes()
    return _layers(safetensors.numpy.load(content))


def _weights_npz(path: Path) -> list[Any]:
    with np.load(path, allow_pickle=False) as arrays:
        about = {"layer_sizes", "classes", "info", "pixel_max", "version"}
        return _layers({name: arrays[name] for name in arrays.files if name not in about})


def _layers(tensors: dict[str, Any]) -> list[Any]:
    """Return all parameters, sorted by value: their order is the reader's business."""
    values = np.concatenate([tensor.ravel().astype(np.float64) for tensor in tensors.values()])
    return [np.sort(values)]


def _picture(path: Path) -> list[Any]:
    with Image.open(path) as image:
        image.load()
        if image.mode in GREYS or max(image.size) > 800:
            return []
        return [np.asarray(ImageOps.exif_transpose(image).convert("RGBA"))]


ORACLES: dict[str, Callable[[Path], list[Any]]] = {
    "CSV": _csv,
    "CSV.gz": _csv,
    "IDX": _idx,
    "IDX.gz": _idx,
    "npz": _npz,
    "Parquet": _parquet,
    "model 2": _safetensors,
    "model 1": _safetensors,
    "weights npz": _weights_npz,
    "weights safetensors": _safetensors,
    **dict.fromkeys(("PNG", "JPEG", "GIF", "WebP", "TIFF", "BMP"), _picture),
}
