"""The interface of data sets on disk that are read a few rows at a time."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Generator, Iterable
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

Piece: TypeAlias = tuple[npt.NDArray[Any], npt.NDArray[np.int64] | None]
"""Some rows: images (rows, features), uint8 or float32, and their labels (rows,), if any."""

MOST_CLASSES = 1 << 16
"""Labels with more distinct values are probably regression targets or row names."""


class Blocks(ABC):
    """A data set that is read some rows at a time, from any thread and any process.

    Attributes
    ----------
    source : str
        Where it is stored, for messages.
    features : int
    dtype : dtype
        Of the images: uint8 (0 to 255) or float32 (0 to 1).
    image_shape : (height, width) or None
    feature_names : tuple of str or None
        As in a `Dataset`.
    label_name : str or None
        The name of the label column, if the file is a table.
    labelled : bool
    digest : str
        Identifies the data, in hexadecimal; computed without reading all of them.
    bounds : (blocks + 1,), int64
        Block i holds rows bounds[i] to bounds[i + 1] of the data set.
    """

    source: str
    features: int
    dtype: np.dtype[Any]
    image_shape: tuple[int, int] | None
    feature_names: tuple[str, ...] | None = None
    label_name: str | None = None
    labelled: bool
    digest: str
    bounds: npt.NDArray[np.int64]

    def __len__(self) -> int:
        return int(self.bounds[-1])

    @property
    def pixel_max(self) -> float:
        """The scale of the pixels, see `pixels`, as far as known without reading them."""
        return 255.0 if self.dtype == np.uint8 else 1.0

    @property
    @abstractmethod
    def classes(self) -> npt.NDArray[np.int64]:
        """The distinct labels of all rows, sorted; empty without labels.

        Raises
        ------
        DataError
        """

    @abstractmethod
    def pieces(self, block: int, start: int, stop: int) -> Generator[Piece, None, None]:
        """Yield rows of one block in their order, a few megabytes at a time.

        Parameters
        ----------
        block : int
        start, stop : int
            Counted from the beginning of the block, 0 <= start <= stop <= its rows.

        Yields
        ------
        X : (rows, features), `dtype`
        y : (rows,), int64, or None

        Raises
        ------
        DataError
            If the rows differ from those found when the data were opened.
        """

    def read(self, block: int, start: int, stop: int) -> Piece:
        """Read rows of one block at once, (stop - start, features) and (stop - start,).

        See `pieces`.
        """
        return self.joined(self.pieces(block, start, stop), stop - start)

    def joined(self, pieces: Iterable[Piece], rows: int) -> Piece:
        """Return pieces of this data set, of ``rows`` rows in total, as one."""
        X = np.empty((rows, self.features), self.dtype)
        y = np.empty(rows, np.int64) if self.labelled else None
        done = 0
        for pixels, labels in pieces:
            here = slice(done, done + len(pixels))
            X[here] = pixels
            if y is not None and labels is not None:
                y[here] = labels
            done = here.stop
        return X, y

    def whole(self, which: Iterable[int] | None = None) -> Generator[tuple[int, Piece], None, None]:
        """Yield all rows of some blocks, a few megabytes at a time. Default: of all blocks.

        Yields
        ------
        first : int
            The index of the first row of the piece in the data set.
        piece : Piece
        """
        for block in range(len(self.bounds) - 1) if which is None else which:
            at, end = self.bounds[block : block + 2].tolist()
            for X, y in self.pieces(block, 0, end - at):
                yield at, (X, y)
                at += len(X)


class ChangedBlocks(Blocks):
    """Blocks derived from others; everything but `pieces` is the same unless set.

    Parameters
    ----------
    blocks : Blocks
    change : str, optional
        Added to the digest, to distinguish the data. Default: the digest is the same.
    """

    def __init__(self, blocks: Blocks, change: str | None = None) -> None:
        self.blocks = blocks
        self.source, self.features, self.dtype = blocks.source, blocks.features, blocks.dtype
        self.image_shape, self.labelled = blocks.image_shape, blocks.labelled
        self.feature_names, self.label_name = blocks.feature_names, blocks.label_name
        self.bounds, self.digest = blocks.bounds, blocks.digest
        if change is not None:
            text = f"{blocks.digest} {change}"
            self.digest = hashlib.blake2b(text.encode(), digest_size=16).hexdigest()

    @property
    def classes(self) -> npt.NDArray[np.int64]:
        """The distinct labels of all rows."""
        return self.blocks.classes

    @property
    def pixel_max(self) -> float:
        """The scale of the pixels."""
        return self.blocks.pixel_max if self.dtype == self.blocks.dtype else super().pixel_max


class MappedBlocks(ChangedBlocks):
    """Blocks whose pixels are changed by a function when read.

    Parameters
    ----------
    blocks : Blocks
    function : callable
        Changes images, (rows, features).
    change : str, optional
        See `ChangedBlocks`.
    """

    def __init__(
        self, blocks: Blocks, function: Callable[[Any], Any], change: str | None = None
    ) -> None:
        super().__init__(blocks, change)
        self.function = function

    def pieces(self, block: int, start: int, stop: int) -> Generator[Piece, None, None]:
        """Yield rows of one block (see `Blocks`)."""
        for X, y in self.blocks.pieces(block, start, stop):
            yield self.function(X), y
