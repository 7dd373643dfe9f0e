"""What deforming the images costs, beside the training step that they are for."""

from __future__ import annotations

import json
import statistics
from dataclasses import replace
from typing import Any

from mnn_gpu import RECIPES, TrainingConfig, select_backend, train
from mnn_gpu.data import bundled_mnist
from scripts.research.experiments.runs import FOLDER

RESULT = FOLDER / "cost.json"
STEPS, ROUNDS = 60, 11


def measure() -> dict[str, Any]:
    """Time steps of 784-1000-500-10 with and without, in turn; quote medians, pair by pair."""
    data, backend = bundled_mnist("train"), select_backend("cpu")
    X, y = data.X, data.labels()

    def seconds(config: TrainingConfig) -> float:
        """Return the time of a step, without the first ones and the compilation."""
        _, history = train(X, y, config, backend=backend)
        first, last = history.records[0], history.records[-1]
        return (last.seconds - first.seconds) / (last.iteration - first.iteration)

    result = {}
    for batch_size in (256, 512):
        with_it = replace(
            RECIPES["accurate"].config,
            batch_size=batch_size,
            epochs=None,
            iterations=STEPS,
            report_every=20,
        )
        without = replace(with_it, augmentation=None)
        pairs = [(seconds(with_it), seconds(without)) for _ in range(ROUNDS + 1)][1:]
        result[str(batch_size)] = {
            "step_ms": statistics.median(b for _, b in pairs) * 1e3,
            "deformed_ms": statistics.median(a for a, _ in pairs) * 1e3,
            "cost": statistics.median((a - b) / b for a, b in pairs),
            "rounds": ROUNDS,
        }
    RESULT.write_text(json.dumps(result, indent=1), encoding="utf-8")
    return result
