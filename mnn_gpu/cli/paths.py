"""File names on the command line, as types for `argparse`."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

SEPARATORS = tuple(filter(None, (os.sep, os.altsep)))


def output_path(name: str) -> Path:
    """Return the path of a file to write.

    Raises
    ------
    argparse.ArgumentTypeError
        If the name is empty or ends like that of a folder.
    """
    path = named_path(name)
    if name.endswith(SEPARATORS):
        raise argparse.ArgumentTypeError(f"{name!r} names a folder; give the name of a file")
    return path


def named_path(name: str) -> Path:
    """Return a path; an empty one, as from an unset variable, is an ArgumentTypeError."""
    if not name:
        raise argparse.ArgumentTypeError("the name is empty")
    return Path(name)
