"""Selecting the connected pieces of ink that form the digit: no specks, borders or underlines."""

from __future__ import annotations

from typing import Any, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from mnn_gpu.handwriting.frame import without_frame

Array: TypeAlias = "npt.NDArray[Any]"

LEAST_PART = 0.04
"""A piece smaller than this fraction of the largest one is a speck."""
LARGEST = 24
"""Number of pieces that are considered; the rest are specks."""
LINE = 0.1
"""Largest width of a line, relative to its length."""


class Piece(NamedTuple):
    """A connected piece of ink: its number, its pixels and its bounding box."""

    number: int
    size: int
    contact: int
    """Pixels at the border of the image."""
    top: int
    bottom: int
    left: int
    right: int

    @property
    def longest(self) -> int:
        """The longer side of its box."""
        return max(self.bottom - self.top, self.right - self.left)

    @property
    def is_line(self) -> bool:
        """Whether it is a vertical or horizontal line."""
        height, width = self.bottom - self.top, self.right - self.left
        return min(height, width) <= LINE * max(height, width)

    @property
    def is_level(self) -> bool:
        """Whether it is a horizontal line."""
        return self.bottom - self.top <= LINE * (self.right - self.left)

    @property
    def box(self) -> tuple[slice, slice]:
        """Its box, as index slices."""
        return slice(self.top, self.bottom), slice(self.left, self.right)


def digit_of(marked: Array) -> Array | None:
    """Return the ink of the digit, (height, width) of bool; None if there is no ink."""
    from scipy.ndimage import label

    numbers, count = label(marked, np.ones((3, 3)))
    if count == 0:
        return None
    pieces = _inner(_pieces(numbers))
    pieces = [piece for piece in pieces if not _encloses(piece, pieces, numbers)]
    pieces = [piece for piece in pieces if not _underlines(piece, pieces)]
    pieces = _large(pieces)
    digit = np.isin(numbers, [piece.number for piece in pieces])
    if len(pieces) == 1:
        digit[pieces[0].box] = without_frame(digit[pieces[0].box])
    return digit


def _pieces(numbers: Array) -> list[Piece]:
    """Return the largest pieces."""
    from scipy.ndimage import find_objects

    count = int(numbers.max())
    border = np.concatenate([numbers[0], numbers[-1], numbers[:, 0], numbers[:, -1]])
    contacts = np.bincount(border, minlength=count + 1)
    sizes = np.bincount(numbers.ravel(), minlength=count + 1)
    boxes = find_objects(numbers)
    largest = 1 + np.argsort(-sizes[1:], kind="stable")[:LARGEST]
    return [
        Piece(
            int(i),
            int(sizes[i]),
            int(contacts[i]),
            *(edge for side in boxes[i - 1] for edge in (side.start, side.stop)),
        )
        for i in largest
    ]


def _large(pieces: list[Piece]) -> list[Piece]:
    most = max(piece.size for piece in pieces)
    return [piece for piece in pieces if piece.size >= LEAST_PART * most]


def _inner(pieces: list[Piece]) -> list[Piece]:
    """Remove pieces that extend beyond the image, unless no other piece is as large.

    The edge of a table or a shadow runs along the border, and ruled lines lead to it. A digit
    that is cut at the border or fills the image touches it at few pixels.
    """
    inside = [piece for piece in pieces if not piece.contact]
    size = max((piece.size for piece in inside), default=0)
    longest = max((piece.longest for piece in inside), default=0)

    def is_beyond(piece: Piece) -> bool:
        if 2 * piece.contact < piece.longest and not piece.is_line:
            return size > 0.5 * piece.size
        return size > 0.1 * piece.size or longest > 0.15 * piece.longest

    return [piece for piece in pieces if not piece.contact or not is_beyond(piece)]


def _encloses(piece: Piece, pieces: list[Piece], numbers: Array) -> bool:
    """Return whether another large piece is inside this one, as a digit in a box or circle."""
    return any(
        other.longest >= 0.3 * piece.longest
        and piece.left < other.left
        and other.right < piece.right
        and piece.top <= other.top
        and other.bottom <= piece.bottom
        and (numbers[other.box] == piece.number).sum() <= 0.05 * piece.size
        for other in pieces
    )


def _underlines(piece: Piece, pieces: list[Piece]) -> bool:
    """Return whether a piece is a line above or below all others, and longer than they are."""
    others = [other for other in _large(pieces) if not other.is_level]
    if not others or not piece.is_level:
        return False
    top, bottom = min(other.top for other in others), max(other.bottom for other in others)
    longest = max(bottom - top, *(other.longest for other in others))
    width = piece.right - piece.left
    beyond = piece.top >= bottom or piece.bottom <= top
    return beyond and 0.3 * width <= longest < 0.9 * width
