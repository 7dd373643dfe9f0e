"""The columns of a Parquet file, from its schema, its statistics and its first rows."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from mnn_gpu.data.columns import (
    COUNTED,
    Columns,
    TableOptions,
    choose,
    label_position,
    needs_label_name,
)
from mnn_gpu.data.labels import LABEL_CURE
from mnn_gpu.data.parquet.images import is_image, is_text
from mnn_gpu.data.parquet.page_limits import check_pages
from mnn_gpu.data.unnamed_label import MANY, MANY_CLASSES, check_one_column
from mnn_gpu.errors import DataError

COLUMN_CURE = "Use one numeric column per pixel and one for the label."


def parquet_columns(file: Any, path: Path, options: TableOptions) -> Columns:
    """Return which columns of a file are pixels and label (see `columns`)."""
    names = [str(name) for name in file.schema_arrow.names]
    described = file.schema_arrow.pandas_metadata or {}
    index = {name for name in described.get("index_columns", ()) if isinstance(name, str)}
    if needs_label_name(names, options):
        _check_one_column(file, path, names)
    at = label_position(names, str(path), options)
    counting = [i for i in _spans(file) if i != at and _counts_up(file, path, names[i])]
    columns = choose(names, at, str(path), options, counting=counting, index=index)
    check_types(file.schema_arrow, columns, path)
    return columns


def _check_one_column(file: Any, path: Path, names: list[str]) -> None:
    """Check, in the first rows, that the labels are not one-hot columns at the end."""
    # A column of structs has several leaf columns.
    if not file.metadata.num_row_groups or file.metadata.num_columns != len(names):
        return
    check_pages(path, file.metadata, 0)
    last = names[-MANY_CLASSES:]
    batch = next(file.iter_batches(MANY, row_groups=[0], columns=last, use_threads=False), None)
    columns = [] if batch is None else [map(str, column.to_pylist()) for column in batch.columns]
    rows = list(zip(*columns, strict=True))
    check_one_column(last, rows, str(path), f"pandas.read_parquet({str(path)!r})")


def _spans(file: Any) -> list[int]:
    """Return the columns whose range in the first row group is that of a row number."""
    # A column of structs has several leaf columns.
    if not file.metadata.num_row_groups or file.metadata.num_columns != len(file.schema_arrow):
        return []
    group = file.metadata.row_group(0)
    found = []
    for i in range(group.num_columns if group.num_rows >= COUNTED else 0):
        statistics = group.column(i).statistics
        known = statistics is not None and statistics.has_min_max
        if not known or not isinstance(statistics.min, int):
            continue
        if statistics.max - statistics.min == group.num_rows - 1:
            found.append(i)
    return found


def _counts_up(file: Any, path: Path, name: str) -> bool:
    check_pages(path, file.metadata, 0)
    batch = next(file.iter_batches(COUNTED, row_groups=[0], columns=[name], use_threads=False))
    cells = batch.columns[0].to_pylist()
    return bool(cells) and cells == list(range(cells[0], cells[0] + len(cells)))


def check_types(schema: Any, columns: Columns, path: Path) -> None:
    """Check that all columns contain numbers, or one contains images, before unpacking."""
    from pyarrow import types

    if any(is_image(schema.field(i).type) for i in columns.pixels):
        columns = replace(columns, pixels=[])
    elif not columns.pixels:
        raise DataError(f"{path} has no columns of pixels.", COLUMN_CURE)
    numeric = (types.is_integer, types.is_floating, types.is_boolean)
    label, read = columns.label_at, {*columns.pixels, columns.label_at}
    for column, field in enumerate(schema):
        if column not in read:
            continue
        kind = field.type.value_type if types.is_dictionary(field.type) else field.type
        if any(is_one(kind) for is_one in numeric) or (column == label and is_text(kind)):
            continue
        if column == label:
            raise DataError(f"{path} has labels of type {kind}, which are not classes.", LABEL_CURE)
        raise DataError(f"{path}, column {field.name} does not hold numbers.", COLUMN_CURE)
