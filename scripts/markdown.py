"""Markdown of rows of cells."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


def table(rows: Iterable[Sequence[str]]) -> str:
    """Return a table; the first row is its header."""
    head, *rest = ["| " + " | ".join(row) + " |" for row in rows]
    head = head.replace("|  |", "| |", 1)
    return "\n".join([head, "| --- " * (head.count(" | ") + 1) + "|", *rest])
