"""The record of a run of `gpu-check`: JSON and a page, whole and readable after every check."""

from __future__ import annotations

import hashlib
import json
import re
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from mnn_gpu.storage.atomic_write import write_atomically
from scripts.gpu import report
from scripts.gpu.outcome import write

ROOT = Path(__file__).parent.parent.parent
SAME = ("card", "driver", "code", "dry_run")
NOT_REACHED = {"outcome": "not run", "reason": "not reached", "seconds": 0.0}


class Record:
    """What was found on one card by one state of the code.

    Parameters
    ----------
    folder : Path
        Gets ``<card>-<date>.json`` and ``.md``. Checks that an earlier run left there stay,
        if card, driver and code are the same.
    machine : dict
        What the machine says of itself: "card" and "driver" at least.
    dry_run : bool
        Whether nothing that is found is the card's: the files are called so, and say so.
    """

    def __init__(self, folder: Path, machine: dict[str, Any], dry_run: bool = False) -> None:
        date = time.strftime("%Y-%m-%d")
        name = re.sub(r"[^a-z0-9]+", "-", machine["card"].lower()).strip("-")
        self.path = folder / f"{'dry-run-' * dry_run}{name}-{date}.json"
        self.page = self.path.with_suffix(".md")
        self.content: dict[str, Any] = {
            "date": date,
            **machine,
            "code": code(),
            "dry_run": dry_run,
            "checks": {},
        }
        folder.mkdir(parents=True, exist_ok=True)
        if self.path.exists():
            earlier = json.loads(self.path.read_text(encoding="utf-8"))
            if all(earlier.get(key, False) == self.content[key] for key in SAME):
                self.content["checks"] = earlier["checks"]

    def has_passed(self, name: str) -> bool:
        return bool(self.content["checks"].get(name, {}).get("outcome") == "passed")

    def expect(self, names: Iterable[str]) -> None:
        """Enter checks that are to come, so that those of a run that is cut are there too."""
        for name in names:
            self.content["checks"].setdefault(name, NOT_REACHED)
        self._write()

    def add(self, name: str, found: dict[str, Any]) -> None:
        """Enter what a check found."""
        self.content["checks"][name] = found
        self._write()

    def _write(self) -> None:
        write(self.path, self.content)
        write_atomically(self.page, report.page(self.content).encode())


def code() -> str:
    """Return a digest of the package's modules."""
    digest = hashlib.blake2b(digest_size=8)
    for path in sorted((ROOT / "mnn_gpu").rglob("*.py")):
        digest.update(path.relative_to(ROOT).as_posix().encode() + path.read_bytes())
    return digest.hexdigest()
