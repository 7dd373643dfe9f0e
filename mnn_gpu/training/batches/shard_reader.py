"""Reads the samples of a shard in the order of an epoch, block by block."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from mnn_gpu.training.batches.epoch_order import EpochOrder


class ShardReader:
    """Reads the rows of one shard in the order of an epoch.

    It holds one window and the piece that was read last, whatever the size of the blocks. The first
    ``skip`` rows have been used already.
    """

    def __init__(self, order: EpochOrder, shard: int, skip: int) -> None:
        self.order = order
        self.shard = shard
        self.number, self.at = divmod(skip, order.window)
        self.windows = order.windows(shard)
        longest = max((stop - start for start, stop in self.windows), default=0)
        self.X = np.empty((longest, order.blocks.features), order.blocks.dtype)
        self.y = np.empty(longest, np.int64)
        self.permutation = np.empty(0, np.int64)
        self.pieces = self._pieces()
        self.rest = self.X[:0], self.y[:0]

    def fill(self, X: npt.NDArray[Any], y: npt.NDArray[np.int64]) -> None:
        """Fill contiguous arrays, (rows, features) and (rows,), with the next rows and labels."""
        done = 0
        while done < len(y):
            if not len(self.permutation):
                self._load()
            rows = self.permutation[self.at : self.at + len(y) - done]
            # All indices are valid; "clip" saves NumPy a buffer.
            self.X.take(rows, 0, X[done : done + len(rows)], "clip")
            self.y.take(rows, 0, y[done : done + len(rows)], "clip")
            done += len(rows)
            self.at += len(rows)
            if self.at == len(self.permutation):
                self.number, self.at, self.permutation = self.number + 1, 0, self.permutation[:0]

    def _load(self) -> None:
        """Fill the window with the next rows of the order."""
        start, stop = self.windows[self.number]
        done, count = 0, stop - start
        while done < count:
            X, y = self.rest if len(self.rest[1]) else next(self.pieces)
            taken = min(count - done, len(y))
            here = slice(done, done + taken)
            self.X[here], self.y[here] = X[:taken], y[:taken]
            self.rest = X[taken:], y[taken:]
            done = here.stop
        self.permutation = self.order.window_permutation(self.shard, self.number, count)

    def _pieces(self) -> Iterator[tuple[npt.NDArray[Any], npt.NDArray[np.int64]]]:
        """Yield the rows of the shard from its current window on, as they are read."""
        start, stop = self.windows[self.number][0], self.order.starts[self.shard + 1]
        for run in self.order.runs(start, stop):
            for X, y in self.order.blocks.pieces(*run):
                if y is not None:
                    yield X, y
