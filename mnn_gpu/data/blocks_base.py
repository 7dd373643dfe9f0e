"""Data that stays on the disk, as what trains on it sees it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

Piece: TypeAlias = tuple[npt.NDArray[Any], npt.NDArray[np.int64] | None]
"""Some rows: images (rows, features), uint8 or float32, and their labels (rows,), if any."""

MOST_CLASSES = 1 << 16
"""More distinct labels than that are numbers to regress on, or names of rows."""


class Blocks(ABC):
    """A data set that is read some rows at a time, from any thread and any process.

    Attributes
    ----------
    source : str
        Where it is, for messages.
    features : int
    dtype : dtype
        Of the images: uint8 (0 to 255) or float32 (0 to 1).
    image_shape : (height, width) or None
    labelled : bool
    digest : str
        Tells this data from other data, hexadecimal, without reading all of it.
    bounds : (blocks + 1,), int64
        Block i holds the rows bounds[i] to bounds[i + 1] of the whole.
    is_mapped : bool
        Whether reading a few rows of a block costs no more than those rows.
    """

    source: str
    features: int
    dtype: np.dtype[Any]
    image_shape: tuple[int, int] | None
    labelled: bool
    digest: str
    bounds: npt.NDArray[np.int64]
    is_mapped: bool = False

    def __len__(self) -> int:
        return int(self.bounds[-1])

    @property
    @abstractmethod
    def classes(self) -> npt.NDArray[np.int64]:
        """The distinct labels of all rows, sorted; empty where there are none.

        Raises
        ------
        DataError
        """

    @abstractmethod
    def read(self, block: int, start: int, stop: int) -> Piece:
        """Read rows of one block.

        Parameters
        ----------
        block : int
        start, stop : int
            From the beginning of the block, 0 <= start <= stop <= its rows.

        Returns
        -------
        X : (stop - start, features), `dtype`
            May be read-only; the memory is given free with the array.
        y : (stop - start,), int64, or None

        Raises
        ------
        DataError
            If they are not what opening the data promised.
        """
