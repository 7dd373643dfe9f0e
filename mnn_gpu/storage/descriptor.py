"""Names of files that are already open: /dev/stdout, /dev/fd/3, /proc/self/fd/3."""

from __future__ import annotations

import re
from pathlib import Path

STANDARD = {"stdin": 0, "stdout": 1, "stderr": 2}
STDOUT = STANDARD["stdout"]
NAME = re.compile(r"/dev/(stdin|stdout|stderr)|/(?:dev|proc/self)/fd/([0-9]{1,9})", re.ASCII)


def descriptor_of(path: str | Path) -> int | None:
    """Return the file descriptor that a name refers to, or None for any other name.

    To write to it, duplicate it: opening the name truncates a file that the shell appends to,
    and replacing the file loses the open one.
    """
    found = NAME.fullmatch(str(path))
    if found is None:
        return None
    return STANDARD[found[1]] if found[1] else int(found[2])
