"""A CSV file of any length, some rows at a time, in one pass and in bounded memory.

Blocks of complete lines are parsed by `fast_parser` in several threads; blocks that it does not
support are parsed by pandas, in one thread. To locate errors the file is read again.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import numpy as np
import numpy.typing as npt

from mnn_gpu.data.blocks import Piece
from mnn_gpu.data.csv.columns import Layout, csv_errors
from mnn_gpu.data.csv.diagnose import find_fault
from mnn_gpu.data.csv.dialect import open_cells
from mnn_gpu.data.csv.fast_parser import in_threads, line_blocks, numbers
from mnn_gpu.data.csv.reader import NUL, check_columns, has_class_names, pandas_cells
from mnn_gpu.data.labels import text_labels
from mnn_gpu.data.pixel_dtype import HINT, of_kind
from mnn_gpu.data.unpacking import MOST_LINE
from mnn_gpu.errors import DataError

TRUTH = re.compile(rb"true|false", re.IGNORECASE)
"""pandas would convert a column of these to 1 and 0."""

EMPTY_AT_END = re.compile(rb",[ \t]*\r?$", re.MULTILINE)
"""pandas would ignore an empty cell at the end of all lines that it is given."""

ODD = 1 << 23
"""Approximate bytes passed to pandas at once: it takes milliseconds per call for the columns."""


def csv_pieces(path: Path, layout: Layout, dtype: npt.DTypeLike | None) -> Iterator[Piece]:
    """Yield the rows of a CSV file.

    Parameters
    ----------
    path : Path
        Decompressed if it ends in .gz.
    layout : Layout
    dtype : uint8, float32 or None
        Type of the pixels; None: uint8 if the first rows are whole numbers from 0 to 255.

    Raises
    ------
    DataError
        The message names line and column.
    """
    reader = _Reader(path, layout, dtype)
    odd: list[bytes] = []
    with csv_errors(path), open_cells(path, layout.dialect) as file:
        if layout.header:
            _skip_header(file, path)
        for block, simple in in_threads(reader.simple, line_blocks(file, path)):
            if simple is None:
                odd.append(block)
            if odd and (simple is not None or sum(map(len, odd)) >= ODD):
                yield reader.odd(b"".join(odd))
                odd.clear()
            if simple is not None:
                yield reader.of_kind(simple)
        if odd:
            yield reader.odd(b"".join(odd))


class _Reader:
    """Converts blocks of lines to pieces; the first one determines the type of the pixels."""

    def __init__(self, path: Path, layout: Layout, dtype: npt.DTypeLike | None) -> None:
        self.path, self.layout = path, layout
        self.dtype = None if dtype is None else np.dtype(dtype)

    def simple(self, block: bytes) -> Piece | None:
        """Return rows of whole numbers from 0 to 255; may be called from any thread."""
        cells = numbers(block, len(self.layout.columns.names))
        return None if cells is None else self.layout.parted(cells)

    def odd(self, text: bytes) -> Piece:
        """Parse other rows; from one thread only, since it turns warnings into errors."""
        read = self._by_pandas(text)
        if read is None:
            raise self._fault()
        return self.of_kind(read)

    def of_kind(self, piece: Piece) -> Piece:
        """Return rows with the type of the pixels."""
        X, y = piece
        if self.dtype is None and len(X):
            self.dtype = np.dtype(np.uint8 if X.dtype == np.uint8 else np.float32)
        try:
            return of_kind(X, self.dtype or np.uint8, str(self.path)), y
        except DataError as error:
            raise self._fault() from error

    def _by_pandas(self, block: bytes) -> Piece | None:
        columns = self.layout.columns
        if not block.strip(b"\r\n"):
            return self.layout.parted(np.empty((0, len(columns.names)), np.uint8))
        check_columns(self.path, self.layout)
        if NUL in block or TRUTH.search(block) or EMPTY_AT_END.search(block):
            return None
        read = pandas_cells(io.BytesIO(block), columns, header=False)
        if read is None:
            return None
        X, y = read
        if self.dtype is None and not ((X > 0) & (X < 1)).any():
            self.dtype = np.dtype(np.uint8)
        return X, y

    def _fault(self) -> DataError:
        if has_class_names(self.layout):
            return text_labels(str(self.path))
        fault = find_fault(self.path, self.layout, self.dtype == np.float32)
        return DataError(fault.cause, f"{fault.cure} {HINT}")


def _skip_header(file: IO[bytes], path: Path) -> None:
    """Read past the line that `csv` takes as the header, which may span several lines."""
    next((row for row in csv.reader(_decoded(file, path)) if row), None)


def _decoded(file: IO[bytes], path: Path) -> Iterator[str]:
    encoding = "utf-8-sig"
    while line := file.readline(MOST_LINE):
        if b"\r" in line.rstrip(b"\r\n"):
            raise DataError(
                f"{path} ends its lines with carriage returns only.",
                "Save it with line feeds, as all current systems write text.",
            )
        yield line.decode(encoding)
        encoding = "utf-8"
