"""The faults that judge the tests: each is one change of code that runs, in a line of its own."""

from __future__ import annotations

import ast
import json
from pathlib import Path

from scripts.checks.mutants import mutants
from scripts.checks.mutation import REASONS, RESULTS, ROOT, TESTS

SOURCE = '''"""What a module says."""


def score(x: int | None, *, scale: float = 2.5) -> str | None:
    """Say nothing that runs."""
    if x is None or x @ 3 < scale:
        raise ValueError(f"{x} is small")
    sizes = [i for i in range(x)]
    return "many" if not sizes else str(sizes, encoding="ascii")
'''

EXPECTED = {
    "x is None": {"(x is not None)"},
    "x @ 3": {"(x * 3)", "(x)"},
    "x @ 3 < scale": {"(x @ 3 <= scale)", "(x @ 3 >= scale)"},
    "2.5": {"3.5"},
    "3": {"4"},
    'f"{x} is small"': {"'XX'"},
    '"many"': {"'XX'"},
    "not sizes": {"(sizes)"},
    'str(sizes, encoding="ascii")': {"str(sizes)"},
    'raise ValueError(f"{x} is small")': {"pass"},
    "sizes = [i for i in range(x)]": {"pass"},
}


def test_what_runs_is_changed_and_what_is_only_said_is_not() -> None:
    found: dict[str, set[str]] = {}
    for mutant in mutants(SOURCE):
        found.setdefault(mutant.before, set()).add(mutant.after)
    assert EXPECTED.items() <= found.items()
    assert not any("says" in before or before.startswith("int") for before in found)


def test_every_mutant_is_python_and_differs_where_it_says() -> None:
    source = (ROOT / "mnn_gpu/backends/base.py").read_text(encoding="utf-8")
    lines = source.split("\n")
    for mutant in mutants(source):
        ast.parse(mutant.source)
        changed = mutant.source.split("\n")
        assert len(changed) == len(lines)
        where = [
            i for i, pair in enumerate(zip(lines, changed, strict=True), 1) if len({*pair}) > 1
        ]
        assert where[0] == mutant.line


def test_the_tests_that_judge_are_there() -> None:
    for names in TESTS.values():
        assert all((ROOT / f"tests/test_{name.partition('::')[0]}").is_file() for name in names)


def test_every_survivor_is_explained() -> None:
    record = json.loads(Path(RESULTS).read_text(encoding="utf-8"))
    assert set(record["modules"]) == set(TESTS)
    assert all(counts["score"] >= 0.9 for counts in record["modules"].values())
    assert all(survivor["why"] for survivor in record["survivors"])
    for entry in json.loads(REASONS.read_text(encoding="utf-8")):
        source = (ROOT / entry["file"]).read_text(encoding="utf-8")
        assert entry["before"] in source
        assert entry.get("in_line", "") in source
