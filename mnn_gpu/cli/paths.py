"""File names on the command line, as types for `argparse`."""

from __future__ import annotations

import argparse
import os
import re
import sys
from collections.abc import Iterable
from glob import glob
from pathlib import Path

SEPARATORS = tuple(filter(None, (os.sep, os.altsep)))


def expanded(words: Iterable[str]) -> list[str]:
    """Return the words of a command line, with ``*`` and ``?`` expanded on Windows.

    The shells of other systems have done so. Brackets are ordinary characters: names on Windows
    may contain them, but neither ``*`` nor ``?``. A pattern of no file stays as it is.
    """
    if sys.platform == "win32":
        return [name for word in words for name in _files_of(word)]
    return list(words)


def _files_of(word: str) -> list[str]:
    # The question mark of the prefix of long paths is no pattern.
    if word.startswith("-") or not re.search("[*?]", word.removeprefix("\\\\?\\")):
        return [word]
    return sorted(glob(word.replace("[", "[[]"))) or [word]  # noqa: PTH207 - names as given


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
