"""Which feature is tested on which array library, by the fixtures and marks of the tests.

    python -m tests.support.array_libraries     rewrite the table of tests/README.md

Whether a library is installed makes no difference: a test with the fixture ``lib`` counts for
all of them.
"""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

import pytest

from scripts.documentation import Part

TESTS = Path(__file__).parents[1]
TITLES = {
    "numpy": "NumPy",
    "cupy": "CuPy",
    "jax": "JAX",
    "torch": "torch",
    "array_api_strict": "array_api_strict",
}
FIXTURES = {
    "lib": set(TITLES),
    "backend": {"numpy", "cupy", "jax", "torch"},
    "elsewhere": {"cupy", "array_api_strict"},
}
"""The libraries that each fixture stands for, see `tests/conftest.py`."""

TOOLS = ("scripts/", "support/")
"""Folders whose tests are not about a feature of the package."""

Rows = dict[str, set[str]]


def libraries_of(item: pytest.Item) -> set[str]:
    """Return the libraries that a test runs on: NumPy, if it names none."""
    names = {name for fixture in FIXTURES for name in _names(item, fixture)}
    if item.get_closest_marker("gpu") is not None:
        names.add("cupy")
    return names or {"numpy"}


def _names(item: pytest.Item, fixture: str) -> set[str]:
    return FIXTURES[fixture] if fixture in getattr(item, "fixturenames", ()) else set()


def rows_of(items: Iterable[pytest.Item]) -> Rows:
    """Return the libraries of each test module that has tests for libraries besides NumPy."""
    rows: Rows = defaultdict(set)
    for item in items:
        module = item.path.relative_to(TESTS).as_posix()
        if not module.startswith(TOOLS):
            rows[module] |= libraries_of(item)
    return {module: names for module, names in sorted(rows.items()) if names - {"numpy"}}


def feature(module: str) -> str:
    """Return what a test module tests: ``nn/test_losses.py`` is for ``nn: losses``."""
    folder, _, name = module.removesuffix(".py").rpartition("/")
    words = name.removeprefix("test_").replace("_", " ")
    return f"{folder}: {words}" if folder else words


def table(rows: Rows) -> Part:
    """Return the table as a part of its page."""
    lines = [
        "| feature | " + " | ".join(TITLES.values()) + " |",
        "| --- |" + " --- |" * len(TITLES),
    ]
    for module, names in rows.items():
        cells = ["yes" if name in names else "" for name in TITLES]
        lines.append(f"| [{feature(module)}]({module}) | " + " | ".join(cells) + " |")
    text = "\n".join(lines)
    return Part("tests/README.md", "array libraries", "tests.support.array_libraries", text)


def rows_written() -> Rows:
    """Return the rows that the page has now."""
    rows = {}
    for line in table({}).read().splitlines()[2:]:
        module, *cells = (cell.strip() for cell in line.strip("|").split("|"))
        module = module.partition("(")[2].removesuffix(")")
        rows[module] = {name for name, cell in zip(TITLES, cells, strict=True) if cell}
    return rows


class _Writer:
    """A pytest plugin that writes the table after collection."""

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        table(rows_of(session.items)).write()


if __name__ == "__main__":
    sys.exit(pytest.main(["--collect-only", "-qq", str(TESTS)], plugins=[_Writer()]))
