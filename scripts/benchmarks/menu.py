"""All that can be measured, by name; every entry takes the contenders and the rounds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from scripts.benchmarks import growth, memory, prediction, races, reading, steps

Measure = Callable[[Sequence[str], int], dict[str, Any]]

MENU: dict[str, Measure] = {
    **{name: partial(steps.measure, name) for name in "abcd"},
    "e1": partial(races.measure, "e1"),
    "e2": partial(races.measure, "e2"),
    "f1": partial(prediction.measure, "b", 1),
    "f2": partial(prediction.measure, "c", 1),
    "f3": partial(prediction.measure, "b", 10_000),
    "f4": partial(prediction.measure, "c", 10_000),
    "g": reading.measure,
    "h": races.measure_first,
    "p": races.measure_process,
    "i1": partial(memory.measure, "a"),
    "i2": partial(memory.measure, "d"),
    "j1": partial(growth.measure, "rows"),
    "j2": partial(growth.measure, "widths"),
}
