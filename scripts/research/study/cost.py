"""The time that deforming images adds to a training step."""

from __future__ import annotations

import json
import statistics
from dataclasses import replace
from functools import partial
from typing import Any

from mnn_gpu import RECIPES, TrainingConfig, load_mnist, select_backend, train
from scripts.benchmarks.harness import in_turn, ratio
from scripts.research.study.runs import FOLDER

RESULT = FOLDER / "cost.json"
STEPS, ROUNDS = 60, 11


def step_seconds(config: TrainingConfig) -> float:
    """Return the time of a step, without the first ones and the compilation."""
    (X, y), _ = load_mnist()
    _, history = train(X, y, config, backend=select_backend("cpu"))
    first, last = history.records[0], history.records[-1]
    return (last.seconds - first.seconds) / (last.iteration - first.iteration)


def measure() -> dict[str, Any]:
    """Time steps of 784-1000-500-10 with and without, in turn; return medians."""
    result = {}
    for batch_size in (256, 512):
        limits: dict[str, Any] = {"epochs": None, "iterations": STEPS, "report_every": 20}
        config = replace(RECIPES["accurate"].config, batch_size=batch_size, **limits)
        plain = replace(config, augmentation=None)
        ways = {"deformed": partial(step_seconds, config), "plain": partial(step_seconds, plain)}
        deformed, step = (times[1:] for times in in_turn(ROUNDS + 1, ways).values())
        result[str(batch_size)] = {
            "step_ms": statistics.median(step) * 1e3,
            "deformed_ms": statistics.median(deformed) * 1e3,
            "cost": ratio(deformed, step) - 1,
            "rounds": ROUNDS,
        }
    RESULT.write_text(json.dumps(result, indent=1), encoding="utf-8")
    return result
