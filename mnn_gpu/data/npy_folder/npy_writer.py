"""A NumPy file that is written row by row; its number of rows is known when it is closed."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from mnn_gpu.storage.atomic_write import replace

PART = ".part"


class NpyWriter:
    """Writes one array row by row to a temporary file, which is renamed when complete.

    Parameters
    ----------
    path : Path
    dtype : dtype
    row_shape : tuple of int
        The array's shape without its first axis.

    Raises
    ------
    OSError
        From any method.
    """

    def __init__(self, path: Path, dtype: npt.DTypeLike, row_shape: tuple[int, ...]) -> None:
        self.path, self.dtype, self.row_shape = path, np.dtype(dtype), row_shape
        self.rows = 0
        self._beside = path.with_name(path.name + PART)
        self._file = self._beside.open("wb")
        self._write_header()

    def write(self, rows: npt.NDArray[Any]) -> None:
        """Append rows."""
        self._file.write(np.ascontiguousarray(rows, self.dtype).data)
        self.rows += len(rows)

    def close(self) -> int:
        """Set the number of rows, flush to disk, rename; return the size of the file in bytes."""
        size = self._file.tell()
        self._file.seek(0)
        self._write_header()
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()
        replace(self._beside, self.path)
        return size

    def abandon(self) -> None:
        """Close the file without finishing it."""
        with suppress(OSError):
            self._file.close()

    def _write_header(self) -> None:
        # NumPy pads the header, so its length does not depend on the number of rows.
        np.lib.format.write_array_header_1_0(
            self._file,
            {
                "descr": np.lib.format.dtype_to_descr(self.dtype),
                "fortran_order": False,
                "shape": (self.rows, *self.row_shape),
            },
        )
