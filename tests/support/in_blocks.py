"""Data in memory that are read like data on disk, in blocks of any sizes."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from mnn_gpu import Blocks
from mnn_gpu.data.blocks import Piece

NUMBERED = 4


class InBlocks(Blocks):
    """Blocks of given sizes, read some rows at a time; records the requests."""

    image_shape = None

    def __init__(
        self, X: npt.NDArray[Any], y: npt.NDArray[np.int64], sizes: Sequence[int], at_once: int = 3
    ) -> None:
        self.X, self.y, self.at_once = X, y, at_once
        self.source, self.digest, self.labelled = "memory", f"{len(X):032x}", True
        self.features, self.dtype = X.shape[1], X.dtype
        self.bounds = np.cumsum([0, *sizes], dtype=np.int64)
        assert len(self) == len(X)
        self.asked: list[tuple[int, int, int]] = []

    @property
    def classes(self) -> npt.NDArray[np.int64]:
        return np.unique(self.y)

    def pieces(self, block: int, start: int, stop: int) -> Generator[Piece, None, None]:
        first, end = self.bounds[block : block + 2].tolist()
        assert 0 <= start <= stop <= end - first
        self.asked.append((block, start, stop))
        for at in range(first + start, first + stop, self.at_once):
            here = slice(at, min(at + self.at_once, first + stop))
            yield self.X[here], self.y[here]


def numbered(sizes: Sequence[int], at_once: int = 3) -> InBlocks:
    """Return blocks in which each row's pixels and label are its index."""
    rows = np.arange(sum(sizes), dtype="<u4")
    X = rows.view(np.uint8).reshape(-1, NUMBERED)
    return InBlocks(X, rows.astype(np.int64), sizes, at_once)


def numbers(X: npt.NDArray[np.uint8]) -> list[int]:
    """Return the indices that the rows' pixels encode."""
    found: list[int] = np.ascontiguousarray(X).view("<u4")[:, 0].tolist()
    return found
