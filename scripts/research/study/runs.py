"""The runs of the study: recipe, seed and rows of each, and how one is executed.

Every choice is made on rows held out of the training set. The test set is read once for each
final model, in the groups whose `reads_test` is true.
"""

from __future__ import annotations

import hashlib
import json
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from mnn_gpu import (
    RECIPES,
    Augmentation,
    TrainingConfig,
    evaluate,
    save_model,
    select_backend,
    train,
)
from mnn_gpu.backends.diagnosis import blas_name
from mnn_gpu.data import bundled_mnist, split
from mnn_gpu.storage.atomic_write import write_atomically
from mnn_gpu.utils.choices import MATMUL_PRECISIONS
from mnn_gpu.utils.threads import available_cores
from scripts.benchmarks.harness import ROOT, processor

FOLDER = ROOT / ".study"
SELECTION_HOLDOUT = 10_000


@dataclass(frozen=True)
class Run:
    """One run of the study; its seed is in ``config``, and ``rows`` None means all."""

    group: str
    name: str
    config: TrainingConfig
    rows: int | None = None
    holdout: int = SELECTION_HOLDOUT
    reads_test: bool = False

    @property
    def key(self) -> str:
        """The name of its files; another configuration makes it another run."""
        default = asdict(TrainingConfig())
        changed = {k: v for k, v in asdict(self.config).items() if v != default[k]}
        text = json.dumps([changed, self.rows, self.holdout], sort_keys=True)
        digest = hashlib.blake2b(text.encode(), digest_size=3).hexdigest()
        return f"{self.group}-{self.name}-{self.config.seed}-{digest}".replace(" ", "_")

    @property
    def result(self) -> Path:
        return FOLDER / f"{self.key}.json"

    @property
    def model(self) -> Path:
        return FOLDER / f"{self.key}.safetensors"


ACCURATE, RECORD = RECIPES["accurate"].config, RECIPES["record"].config
DEFORMED = ACCURATE.augmentation or Augmentation()
ABLATIONS: dict[str, TrainingConfig] = {
    "accurate": ACCURATE,
    "no deformation": replace(ACCURATE, augmentation=None),
    "affine only": replace(ACCURATE, augmentation=replace(DEFORMED, alpha=0)),
    "elastic only": replace(
        ACCURATE,
        augmentation=replace(DEFORMED, rotation=0, shear=0, scaling=0, shift=0),
    ),
    "1 and 7 turned as far": replace(ACCURATE, augmentation=replace(DEFORMED, half_turned=())),
    "no average": replace(ACCURATE, ema_decay=0.0),
    "constant learning rate": replace(ACCURATE, schedule="constant"),
    "no average, constant rate": replace(ACCURATE, ema_decay=0.0, schedule="constant"),
    "no weight decay": replace(ACCURATE, weight_decay=0.0),
    "no label smoothing": replace(ACCURATE, label_smoothing=0.0),
    "with dropout 0.2": replace(ACCURATE, dropout=0.2),
    "with input dropout 0.1": replace(ACCURATE, input_dropout=0.1),
    "notebook's first weights": replace(ACCURATE, init="notebook"),
}


def _seeds(count: int, run: Run) -> list[Run]:
    return [replace(run, config=replace(run.config, seed=seed)) for seed in range(count)]


def _final(group: str, name: str, recipe: str, seeds: int, **changes: Any) -> list[Run]:
    """Return runs of a recipe, with changes, whose models are tested."""
    chosen = RECIPES[recipe]
    config = replace(chosen.config, **changes)
    return _seeds(seeds, Run(group, name, config, chosen.rows, chosen.holdout, reads_test=True))


def _with(recipe: str, precision: Any) -> TrainingConfig:
    return replace(RECIPES[recipe].config, matmul_precision=precision)


GROUPS: dict[str, list[Run]] = {
    "recipes": [
        run
        for name, seeds in {"notebook": 10, "fast": 10, "accurate": 5}.items()
        for run in _final("recipes", name, name, seeds)
    ],
    "ablations": [
        run
        for name, config in ABLATIONS.items()
        for run in _seeds(3, Run("ablations", name, config))
    ],
    # The record recipe on fewer rows, so that more are left to observe it on.
    "selection": [Run("selection", "record", RECORD)],
    "record": [
        *_final("record", "record", "record", 4),
        *_final("record", "2000-1000", "record", 1, hidden=(2000, 1000), epochs=300),
    ],
    "precision": [
        run
        for name, seeds in {"fast": 10, "accurate": 3}.items()
        for precision in MATMUL_PRECISIONS
        for run in _seeds(seeds, Run("precision", f"{name} {precision}", _with(name, precision)))
    ],
}


def execute(run: Run) -> dict[str, Any]:
    """Train, resuming from a checkpoint if there is one; write the model and the result."""
    backend = select_backend()
    training, held_out = split(bundled_mnist("train"), run.holdout, run.config.seed, run.rows)
    model, history = train(
        training.X,
        training.labels(),
        run.config,
        backend=backend,
        validation=(held_out.X, held_out.labels()),
        checkpoint=FOLDER / run.key,
        resume=True,
    )
    save_model(run.model, model)
    assert history.validation is not None
    result: dict[str, Any] = {
        "group": run.group,
        "name": run.name,
        "seed": run.config.seed,
        "config": asdict(run.config),
        "rows": len(training),
        "training": asdict(history.training),
        "held_out": asdict(history.validation),
        "seconds": history.seconds,
        "epochs": history.records[-1].epoch,
        "device": backend.device,
        "cores": available_cores(),
        "machine": f"{processor()}, {blas_name()}",
        "date": time.strftime("%Y-%m-%d"),
        "curve": _curve(history.records),
    }
    if run.reads_test:
        test = bundled_mnist("test")
        result["test"] = asdict(evaluate(model, test.X, test.labels(), backend))
    write_atomically(run.result, json.dumps(result, indent=1).encode())
    return result


def _curve(records: Any) -> list[list[float]]:
    """Return epoch, loss, accuracy and held-out accuracy, of fifty records at most."""
    chosen = np.unique(np.linspace(0, len(records) - 1, 50).round().astype(int))
    return [
        [r.epoch, round(r.loss, 5), round(r.accuracy, 5), r.validation_accuracy]
        for r in (records[i] for i in chosen)
    ]
