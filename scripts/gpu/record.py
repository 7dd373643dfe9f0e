"""The record of a run of `gpu-check`: JSON and a page, whole and readable after every check."""

from __future__ import annotations

import hashlib
import json
import re
import time
from pathlib import Path
from typing import Any

from scripts.gpu import report
from scripts.gpu.outcome import write

ROOT = Path(__file__).parent.parent.parent
SAME = ("card", "driver", "code")


class Record:
    """What was found on one card by one state of the code.

    Parameters
    ----------
    folder : Path
        Gets ``<card>-<date>.json`` and ``.md``. Checks that an earlier run left there stay,
        if card, driver and code are the same.
    head : dict
        What the machine says of itself: "card" and "driver" at least.
    """

    def __init__(self, folder: Path, head: dict[str, Any]) -> None:
        date = time.strftime("%Y-%m-%d")
        name = re.sub(r"[^a-z0-9]+", "-", head["card"].lower()).strip("-")
        self.path = folder / f"{name}-{date}.json"
        self.content: dict[str, Any] = {"date": date, **head, "code": code(), "checks": {}}
        folder.mkdir(parents=True, exist_ok=True)
        if self.path.exists():
            earlier = json.loads(self.path.read_text(encoding="utf-8"))
            if all(earlier.get(key) == self.content[key] for key in SAME):
                self.content["checks"] = earlier["checks"]

    def add(self, name: str, found: dict[str, Any]) -> None:
        self.content["checks"][name] = found
        write(self.path, self.content)
        self.path.with_suffix(".md").write_text(report.page(self.content), encoding="utf-8")


def code() -> str:
    """Return a digest of the package's modules."""
    digest = hashlib.blake2b(digest_size=8)
    for path in sorted((ROOT / "mnn_gpu").rglob("*.py")):
        digest.update(path.relative_to(ROOT).as_posix().encode() + path.read_bytes())
    return digest.hexdigest()
