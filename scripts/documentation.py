"""The pages of the documentation, and the parts of them that are written from results.

    python -m scripts.documentation     write these parts again

The scripts that measure do so too, once their results are written.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scripts.benchmarks import report as performance
from scripts.research import scaling
from scripts.research.study import report as accuracy

ROOT = Path(__file__).parent.parent
FOLDERS = ("mnn_gpu", "scripts", "tests")
RESULTS = ROOT / "scripts" / "results"


def pages() -> list[Path]:
    """Return all pages, the front page first."""
    front = ROOT / "README.md"
    others = [*ROOT.glob("*.md"), *(p for name in FOLDERS for p in (ROOT / name).rglob("*.md"))]
    return [front, *sorted(page for page in others if page != front)]


@dataclass(frozen=True)
class Part:
    """A part of a page, between two comments that give its name and the script that measures it.

    The page is named from the root of the repository; the text is written from the results.
    """

    page: str
    name: str
    script: str
    text: str

    def read(self) -> str:
        """Return what the page contains."""
        return self._split()[1].strip()

    def write(self) -> None:
        """Replace it in the page by the text."""
        before, _, after = self._split()
        text = f"{before}\n\n{self.text}\n\n{after}"
        (ROOT / self.page).write_text(text, encoding="utf-8")

    def _split(self) -> tuple[str, str, str]:
        start = f"<!-- {self.name}: written by {self.script}, not by hand -->"
        end = f"<!-- end of {self.name} -->"
        before, rest = (ROOT / self.page).read_text(encoding="utf-8").split(start)
        inside, after = rest.split(end)
        return before + start, inside, end + after


def parts() -> Iterator[Part]:
    """Return the parts, written from the results."""
    cpu, study, ranks = (_result(name) for name in ("cpu", "study", "scaling"))
    training, distributed = "mnn_gpu/training/README.md", "mnn_gpu/distributed/README.md"
    by = "scripts.research.study"
    yield Part("README.md", "accuracy summary", by, accuracy.front_section(study))
    yield Part(training, "accuracy", by, accuracy.section(study))
    by = "scripts/bench"
    yield Part("README.md", "speed summary", by, performance.front_section(cpu))
    yield Part("scripts/README.md", "performance", by, performance.section(cpu))
    by = "scripts/gpu-check"
    yield Part("mnn_gpu/backends/README.md", "speed", by, performance.gpu_section())
    by = "scripts.research.scaling"
    yield Part(distributed, "scaling", by, scaling.section(ranks))


def _result(name: str) -> dict[str, Any]:
    result: dict[str, Any] = json.loads((RESULTS / f"{name}.json").read_text(encoding="utf-8"))
    return result


def main() -> None:
    """Write all parts."""
    for part in parts():
        part.write()


if __name__ == "__main__":
    main()
