"""What shorter matrix products cost in accuracy: recipes trained with each, seed by seed.

    python -m scripts.research.precision_cost [--recipes fast accurate] [--seeds 10 3]

Counts errors on 10,000 rows held out of the training set, and writes
scripts/results/precision.json. Where there is no GPU, the products are those of tensor cores
all the same: their operands are rounded before.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from dataclasses import replace
from typing import Any

from mnn_gpu import RECIPES, select_backend, train
from mnn_gpu.backends import Backend
from mnn_gpu.data import bundled_mnist, split
from mnn_gpu.nn.matmul_precision import MATMUL_PRECISIONS
from scripts.benchmarks.harness import ROOT, processor
from scripts.research.experiments.runs import SELECTION_HOLDOUT

RESULT = ROOT / "scripts" / "results" / "precision.json"


def errors(backend: Backend, recipe: str, precision: Any, seed: int) -> int:
    """Return how many held-out rows a model of this recipe gets wrong."""
    config = replace(RECIPES[recipe].config, matmul_precision=precision, seed=seed)
    training, held_out = split(bundled_mnist("train"), SELECTION_HOLDOUT, seed)
    _, history = train(
        training.X,
        training.labels(),
        config,
        backend=backend,
        validation=(held_out.X, held_out.labels()),
    )
    assert history.validation is not None
    return history.validation.errors


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--recipes", nargs="+", choices=RECIPES, default=["fast", "accurate"])
    parser.add_argument("--seeds", type=int, nargs="+", default=[10, 3], help="of each recipe")
    options = parser.parse_args()
    backend = select_backend()
    found: dict[str, Any] = {
        "date": time.strftime("%Y-%m-%d"),
        "device": backend.device,
        "machine": processor(),
        "held_out_rows": SELECTION_HOLDOUT,
        "errors": {recipe: {p: [] for p in MATMUL_PRECISIONS} for recipe in options.recipes},
    }
    for recipe, seeds in zip(options.recipes, options.seeds, strict=True):
        for seed in range(seeds):
            for precision, counts in found["errors"][recipe].items():
                counts.append(errors(backend, recipe, precision, seed))
                print(recipe, seed, precision, counts[-1], flush=True)
        for precision, counts in found["errors"][recipe].items():
            print(f"{recipe:10}{precision:6}{statistics.mean(counts):8.1f} errors")
    RESULT.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
