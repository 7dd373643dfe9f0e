"""A launch of a generated kernel, as data."""

from __future__ import annotations

from typing import Any, NamedTuple

NAME = "KERNEL"
"""The kernel's name in its source, replaced when the source becomes part of a module."""


class Launch(NamedTuple):
    """A kernel's source, and how it is launched.

    Attributes
    ----------
    source : str
        CUDA C of one kernel called NAME. Its arguments are the inputs, the outputs and ``scalars``.
    grid : tuple of int
        Number of blocks in each direction.
    threads : int
        Per block.
    scalars : tuple of NumPy scalars
    """

    source: str
    grid: tuple[int, ...]
    threads: int
    scalars: tuple[Any, ...] = ()
