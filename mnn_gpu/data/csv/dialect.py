"""CSV files with other separators and comments, converted to comma-separated lines."""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, cast

from mnn_gpu.data.csv.fast_parser import line_blocks
from mnn_gpu.data.unpacking import open_binary

COMMENT = re.compile(rb"^[ \t]*#[^\n]*|\A(\xef\xbb\xbf)?\"?sep=.\"?(?=\r?\n)", re.MULTILINE)
BLANKS = re.compile(rb"(?<=[^ \n])[ \t]+(?=[^ \t\r\n])")
EDGES = re.compile(rb"^[ \t]+|[ \t]+(?=\r?$)", re.MULTILINE)


@dataclass(frozen=True)
class Dialect:
    r"""The format of a CSV file.

    Attributes
    ----------
    separator : {",", ";", "\t", " "}
        A blank stands for any number of blanks.
    comments : bool
        Whether lines that begin with # and a first line ``sep=,`` are skipped.
    """

    separator: str = ","
    comments: bool = False


def dialect_of(lines: Sequence[str]) -> Dialect:
    """Return the dialect of a file, given its first lines."""
    rows = [line.strip("\r\n") for line in lines]
    rows = [row for row in rows if row.strip()]
    declared = re.fullmatch(r'"?sep=(.)"?', rows[0]) if rows else None
    if declared:
        return Dialect(declared[1] if declared[1] in ",;\t " else ",", comments=True)
    plain = [row for row in rows if not row.lstrip().startswith("#")]
    return Dialect(_separator(plain[:20]), comments=len(plain) < len(rows))


def open_cells(path: Path, dialect: Dialect) -> IO[bytes]:
    """Open a CSV file with its cells converted to comma-separated; lines keep their numbers."""
    file = open_binary(path)
    if dialect == Dialect():
        return file
    return cast("IO[bytes]", io.BufferedReader(_Cells(path, file, dialect)))


class _Cells(io.RawIOBase):
    def __init__(self, path: Path, file: IO[bytes], dialect: Dialect) -> None:
        self._file, self._dialect = file, dialect
        self._blocks, self._left, self._is_first = line_blocks(file, path), b"", True

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if not self._left:
            self._left = self._translated(next(self._blocks, b""))
        some, self._left = self._left[: len(buffer)], self._left[len(buffer) :]
        buffer[: len(some)] = some
        return len(some)

    def _translated(self, block: bytes) -> bytes:
        if self._dialect.comments:
            block = (
                COMMENT.sub(b"", block)
                if self._is_first
                else re.sub(rb"(?m)^[ \t]*#[^\n]*", b"", block)
            )
        self._is_first = False
        separator = self._dialect.separator
        if separator == ";":
            return block.replace(b",", b".").replace(b";", b",")
        if separator == "\t":
            return block.replace(b"\t", b",")
        return BLANKS.sub(b",", EDGES.sub(b"", block)) if separator == " " else block

    def close(self) -> None:
        if not self.closed:
            self._file.close()
        super().close()


def _separator(rows: Sequence[str]) -> str:
    for separator in ";\t":
        counts = {row.count(separator) for row in rows}
        if len(counts) == 1 and counts != {0}:
            return separator
    if not rows or "," in rows[0]:
        return ","
    for separator in ";\t":
        if separator in rows[0]:
            return separator
    first, *rest = (len(row.split()) for row in rows)
    # R's write.table writes row names without a name in the header.
    regular = not rest or (len(set(rest)) == 1 and rest[0] in (first, first + 1))
    return " " if first > 1 and regular else ","
