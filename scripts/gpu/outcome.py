"""What a check finds, kept piece by piece."""

from __future__ import annotations

import json
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeAlias

from mnn_gpu.storage.atomic_write import write_atomically

Findings: TypeAlias = Iterator[dict[str, Any]]
Check: TypeAlias = Callable[[str], Findings]
"""Takes a device such as "cuda" and yields what it finds, piece by piece; a piece has "passed"."""


class NotRunError(Exception):
    """A check that cannot be done on this machine, and why."""


def run(check: Check, device: str, keep: Callable[[dict[str, Any]], None]) -> None:
    """Run a check; after each piece, ``keep`` is given everything found so far."""
    found: dict[str, Any] = {}
    try:
        for piece in check(device):
            found |= piece
            keep(found)
        found["outcome"] = "passed" if found.pop("passed") else "failed"
    except NotRunError as error:
        found |= {"outcome": "not run", "reason": str(error)}
    except Exception as error:
        traceback.print_exc()
        found |= {"outcome": "failed", "reason": f"{type(error).__name__}: {error}"[:500]}
    keep(found)


def write(path: Path, found: Any) -> None:
    """Replace a JSON file as a whole: the process may be killed at any moment."""
    write_atomically(path, (json.dumps(found, indent=2) + "\n").encode())
