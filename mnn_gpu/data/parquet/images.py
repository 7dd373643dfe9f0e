"""A column of images in a Parquet file, as published on data hubs.

Supported are encoded images (a column of bytes, or of a struct of bytes and path, as written by
the package datasets) and lists of pixels: of one length, of fixed size, or nested by height and
width.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from mnn_gpu.data.columns import Columns, warn_of_left_out
from mnn_gpu.data.dataset import image_shape
from mnn_gpu.data.images import check_like, check_shape, decoded
from mnn_gpu.data.parquet.page_limits import check_pages
from mnn_gpu.data.untrusted_files import unpacked_limit
from mnn_gpu.errors import DataError

LIST_CURE = "Every row needs a list of numbers of the same length, without missing values."
ENCODED_ROWS, TEXT_ROWS = 64, 256
"""Rows of encoded images, and of labels as text, per batch: each row may be long."""
BATCH = 1 << 22
"""Values per batch."""


@dataclass(frozen=True)
class ImageColumn:
    """A column of images.

    Attributes
    ----------
    at : int
        Its position among all columns.
    is_encoded : bool
        Whether it contains image files rather than pixels.
    shape : tuple of int
        The shape of one image, from the first row.
    """

    at: int
    is_encoded: bool
    shape: tuple[int, ...] = ()

    @property
    def features(self) -> int:
        """The number of pixels per image."""
        return math.prod(self.shape)

    @property
    def image_shape(self) -> tuple[int, int] | None:
        """Height and width, if they are known."""
        return image_shape((1, *self.shape))

    def batches(
        self, file: Any, columns: Columns, groups: list[int], source: str
    ) -> Iterator[list[npt.NDArray[Any]]]:
        """Yield the cells of all columns, some rows at a time.

        The images are (rows, features); columns that are neither images nor labels are
        (rows, 0).
        """
        used = [i for i in (columns.label_at, self.at) if i is not None]
        rows = ENCODED_ROWS if self.is_encoded else batch_rows(file, self.features)
        row = 0
        for batch in file.iter_batches(
            rows,
            row_groups=groups,
            columns=[columns.names[i] for i in used],
            use_threads=False,
        ):
            cells: list[npt.NDArray[Any]] = [np.empty((len(batch), 0))] * len(columns.names)
            for i in used:
                column = batch.column(columns.names[i])
                cells[i] = self._images(column, row, source) if i == self.at else cells_of(column)
            row += len(batch)
            yield cells

    def _images(self, column: Any, row: int, source: str) -> npt.NDArray[Any]:
        images = _decoded(column, row, source) if self.is_encoded else _listed(column, source)
        if self.shape:
            check_shape(images.shape[1:], self.shape, f"{source}, about row {row + 1},")
        return images.reshape(len(images), -1) if self.shape else images


def batch_rows(file: Any, features: int) -> int:
    """Return the number of rows of a Parquet file to read at a time."""
    rows = max(1, BATCH // features)
    return min(rows, TEXT_ROWS) if any(is_text(field.type) for field in file.schema_arrow) else rows


def image_column(file: Any, columns: Columns, path: Path) -> ImageColumn | None:
    """Return the image column of an open Parquet file; None: each column is a pixel.

    Raises
    ------
    DataError
        If there are several, or the first image cannot be read.
    """
    schema = file.schema_arrow
    found = [i for i in columns.pixels if is_image(schema.field(i).type)]
    if not found:
        return None
    if len(found) > 1:
        names = ", ".join(columns.names[i][:40] for i in found[:4])
        raise DataError(f"{path} has several columns of images: {names}.", "Keep one of them.")
    others = [columns.names[i] for i in columns.pixels if _is_number(schema.field(i).type)]
    if others:
        warn_of_left_out(str(path), others, f"because {columns.names[found[0]]!r} has the images")
    kind = schema.field(found[0]).type
    image = ImageColumn(found[0], is_encoded=not _is_list(kind))
    group = next((i for i in range(file.num_row_groups) if _rows(file, i) > 0), None)
    if group is None:
        raise DataError(f"{path} has no rows.", "Download or copy it again.")
    check_pages(path, file.metadata, group)
    first = next(
        file.iter_batches(
            1, row_groups=[group], columns=[columns.names[image.at]], use_threads=False
        )
    )
    shape = image._images(first.columns[0], 0, str(path)).shape[1:]
    image = replace(image, shape=shape)
    if image.features * file.metadata.num_rows > unpacked_limit(path):
        raise DataError(
            f"{path} declares {file.metadata.num_rows:,} images of {image.features:,} pixels, far "
            "more than plausible for its size.",
            "If you trust it, save it as an .npz file with numpy.savez and give that.",
        )
    return image


def is_image(kind: Any) -> bool:
    """Return whether a column's type can hold images."""
    from pyarrow import types

    if types.is_struct(kind):
        at = kind.get_field_index("bytes")
        return bool(at >= 0 and _is_bytes(kind.field(at).type))
    if _is_list(kind):
        while _is_list(kind):
            kind = kind.value_type
        return _is_number(kind)
    return _is_bytes(kind)


def _is_number(kind: Any) -> bool:
    from pyarrow import types

    return bool(types.is_integer(kind) or types.is_floating(kind) or types.is_boolean(kind))


def _is_bytes(kind: Any) -> bool:
    from pyarrow import types

    return bool(types.is_binary(kind) or types.is_large_binary(kind))


def _is_list(kind: Any) -> bool:
    from pyarrow import types

    return any(f(kind) for f in (types.is_list, types.is_large_list, types.is_fixed_size_list))


def _rows(file: Any, group: int) -> int:
    return int(file.metadata.row_group(group).num_rows)


def cells_of(column: Any) -> npt.NDArray[Any]:
    """Return the values of a column without lists; whole numbers become uint8 if they fit.

    A missing number or boolean becomes NaN.
    """
    plain = column.dictionary_decode() if hasattr(column, "dictionary_decode") else column
    if str(plain.type) == "bool":
        plain = plain.cast("uint8")
    cells: npt.NDArray[Any] = plain.to_numpy(zero_copy_only=False)
    if cells.dtype.kind in "ui" and cells.size and cells.min() >= 0 and cells.max() <= 255:
        return cells.astype(np.uint8)
    return cells


def is_text(kind: Any) -> bool:
    """Return whether a column's type is text, possibly dictionary-encoded."""
    from pyarrow import types

    kind = kind.value_type if types.is_dictionary(kind) else kind
    return bool(types.is_string(kind) or types.is_large_string(kind) or str(kind) == "string_view")


def _decoded(column: Any, row: int, source: str) -> npt.NDArray[Any]:
    """Decode a column of image files."""
    if hasattr(column, "flatten") and hasattr(column.type, "get_field_index"):
        column = column.flatten()[column.type.get_field_index("bytes")]
    images = []
    for i, content in enumerate(column.to_pylist(), row + 1):
        if content is None:
            raise DataError(
                f"{source}, row {i}: there is no image, or only its path.",
                "Save the data set with the images in it.",
            )
        images.append(decoded(content, f"{source}, row {i}"))
        check_like(images[-1], images[0], f"{source}, row {i},")
    return np.stack(images)


def _listed(column: Any, source: str) -> npt.NDArray[Any]:
    """Return a column of lists, possibly nested, as an array with one axis per level."""
    shape = [len(column)]
    while _is_list(column.type):
        values = column.flatten()
        rows = len(column)
        if column.null_count or not rows or len(values) % rows:
            raise DataError(f"{source} has lists of pixels of different lengths.", LIST_CURE)
        length = len(values) // rows
        if not length or any(n != length for n in _lengths(column)):
            raise DataError(f"{source} has lists of pixels of different lengths.", LIST_CURE)
        shape.append(length)
        column = values
    if column.null_count:
        raise DataError(f"{source} has lists of pixels with missing values.", LIST_CURE)
    return cells_of(column).reshape(shape)


def _lengths(column: Any) -> npt.NDArray[Any]:
    import pyarrow.compute

    lengths: npt.NDArray[Any] = pyarrow.compute.list_value_length(column).to_numpy(
        zero_copy_only=False
    )
    return np.unique(lengths)
