"""A fast parser for the common kind of CSV file: only whole numbers from 0 to 255.

It processes blocks of bytes with vectorized NumPy operations, in several threads. Anything
else (a quote, a blank, a fraction, a missing cell, a damaged line) is left to pandas: this
parser then returns None and does not locate errors.
"""

from __future__ import annotations

from codecs import BOM_UTF8
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import IO, TypeVar

import numpy as np
import numpy.typing as npt

from mnn_gpu.data.unpacking import MOST_LINE, open_binary
from mnn_gpu.data.untrusted_files import KIND_CURE
from mnn_gpu.errors import DataError
from mnn_gpu.utils.threads import available_cores

T = TypeVar("T")
Bytes = npt.NDArray[np.uint8]

BLOCK = 1 << 19
"""Half a megabyte and its intermediate arrays fit in the L2 cache."""

MOST_THREADS = 8
COMMA, NEWLINE, ZERO = b",\n0"


def read_digits(
    path: Path, columns: int, header: bool, opened: Callable[[Path], IO[bytes]] = open_binary
) -> Bytes | None:
    """Return the numbers in a CSV file, (rows, columns), or None if it has anything else.

    Parameters
    ----------
    path : Path
        Decompressed if it ends in .gz.
    columns : int
        Numbers per line.
    header : bool
        Whether the first line is a header.
    opened : callable
        Opens the file.
    """
    parts: list[Bytes] = []
    with opened(path) as file:
        if header and not is_plain_header(file.readline(MOST_LINE), columns):
            return None
        try:
            for _, part in in_threads(partial(numbers, columns=columns), line_blocks(file, path)):
                if part is None:
                    return None
                parts.append(part)
        except DataError:
            return None  # pandas also reads lines that end with carriage returns only.
    return _joined(parts, columns)


def in_threads(
    function: Callable[[bytes], T], blocks: Iterator[bytes]
) -> Iterator[tuple[bytes, T]]:
    """Yield each block and the function's result for it, computed in several threads."""
    threads = min(available_cores(), MOST_THREADS)
    waiting: deque[tuple[bytes, Future[T]]] = deque()
    with ThreadPoolExecutor(threads) as pool:
        for block in blocks:
            waiting.append((block, pool.submit(function, block)))
            if len(waiting) > 2 * threads:
                block, future = waiting.popleft()
                yield block, future.result()
        while waiting:
            block, future = waiting.popleft()
            yield block, future.result()


def numbers(block: bytes, columns: int) -> Bytes | None:
    """Return the numbers in complete lines, (lines, columns), or None if there is anything else.

    Parameters
    ----------
    block : bytes
        Must end with a newline, optionally after a carriage return.
    columns : int
    """
    if b"\r" in block:
        block = block.replace(b"\r\n", b"\n")
    text = np.frombuffer(block, np.uint8)
    units = text - np.uint8(ZERO)  # Other characters than digits wrap to above 9.
    is_digit = (units < 10).view(np.uint8)  # 0 or 1, for multiplication without a cast.
    ends = np.flatnonzero(is_digit[:-1] > is_digit[1:])
    # There are as many ends of numbers as other characters: each of these follows a number.
    if ends.size % columns or ends.size != text.size - np.count_nonzero(is_digit):
        return None
    separators = text.take(ends + 1).reshape(-1, columns)
    if (separators[:, :-1] != COMMA).any() or (separators[:, -1] != NEWLINE).any():
        return None
    # From here on, entry p of each array refers to the number that would end at p.
    units *= is_digit
    has_tens = is_digit[1:] & is_digit[:-1]
    if (has_tens[2:] & has_tens[:-2]).any():  # Four digits.
        return None
    hundreds = units[:-2] * has_tens[1:] * is_digit[2:]
    values = units.copy()
    values[1:] += units[:-1] * np.uint8(10)
    highest = hundreds.max(initial=0)
    if highest > 2 or (highest == 2 and ((hundreds == 2) & (values[2:] > 55)).any()):
        return None
    values[2:] += hundreds * np.uint8(100)
    return values.take(ends).reshape(-1, columns)


def is_plain_header(line: bytes, columns: int) -> bool:
    """Return whether these bytes are the line that `csv` and pandas would read as the header."""
    text = line.removesuffix(b"\n").removesuffix(b"\r").removeprefix(BOM_UTF8)
    quoted_or_more_lines = b'"' in text or b"\r" in text
    return bool(text.strip()) and not quoted_or_more_lines and text.count(b",") == columns - 1


def line_blocks(file: IO[bytes], path: Path) -> Iterator[bytes]:
    """Yield blocks of complete lines, or raise a DataError if a line is too long."""
    rest = b""
    while chunk := file.read(BLOCK):
        whole, newline, rest_of_chunk = chunk.rpartition(b"\n")
        if newline:
            yield rest + whole + newline
            rest = rest_of_chunk
        else:
            rest += chunk
        if len(rest) > MOST_LINE:
            raise DataError(f"{path} has a line of over {MOST_LINE:,} bytes.", KIND_CURE)
    if rest:
        yield rest + b"\n"


def _joined(parts: list[Bytes], columns: int) -> Bytes:
    """Join the parts, freeing each one after it is copied."""
    whole = np.empty((sum(map(len, parts)), columns), np.uint8)
    stop = len(whole)
    while parts:
        part = parts.pop()
        whole[stop - len(part) : stop] = part
        stop -= len(part)
    return whole
