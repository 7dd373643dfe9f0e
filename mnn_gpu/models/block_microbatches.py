"""One pass over data on disk, read ahead while the device computes."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import numpy.typing as npt

from mnn_gpu.backends import Backend
from mnn_gpu.data.blocks import Piece
from mnn_gpu.data.dataset import no_labels
from mnn_gpu.data.labels import class_index
from mnn_gpu.data.open_blocks import Blocks
from mnn_gpu.step.microbatches import Microbatch, slices
from mnn_gpu.utils.prefetch import prefetch

PREFETCH_PIECES = 2
"""Number of pieces, of a few megabytes each, that are read ahead."""


@dataclass(frozen=True)
class BlockMicrobatches:
    """The rows of some blocks in shards, for evaluation; read again in each iteration over them.

    Parameters
    ----------
    blocks : Blocks
        With labels.
    classes : (classes,), int64 or str
    which : iterable of int
        Indices of the blocks.
    rows : int
        Rows per shard, at most.
    backend : Backend
    """

    blocks: Blocks
    classes: npt.NDArray[Any]
    which: Iterable[int]
    rows: int
    backend: Backend

    def __iter__(self) -> Iterator[Microbatch]:
        here, source = self.backend.asarray, self.blocks.source
        with closing(prefetch_blocks(self.blocks, self.which)) as pieces:
            for first, (X, y) in pieces:
                if y is None:
                    raise no_labels(source)
                index = class_index(self.classes, y, source, first)
                for rows in slices(len(X), self.rows):
                    yield here(X[rows]).T, here(index[rows])


def prefetch_blocks(
    blocks: Blocks, which: Iterable[int]
) -> Generator[tuple[int, Piece], None, None]:
    """Yield the rows of some blocks, see `Blocks.whole`; a thread reads them ahead."""
    return prefetch(blocks.whole(which), PREFETCH_PIECES)
