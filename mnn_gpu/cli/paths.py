"""Names of files on the command line, as types for `argparse`."""

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
        If the name is empty or ends as a folder's.
    """
    path = named_path(name)
    if name.endswith(SEPARATORS):
        raise argparse.ArgumentTypeError(f"{name!r} names a folder; give the name of a file")
    return path


def named_path(name: str) -> Path:
    """Return a path; an empty one, as of a variable that is not set, is an ArgumentTypeError."""
    if not name:
        raise argparse.ArgumentTypeError("the name is empty")
    return Path(name)
