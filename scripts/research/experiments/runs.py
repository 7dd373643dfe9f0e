"""The runs of the study: what each trains, on which rows, and what it is asked afterwards.

Whatever is chosen is chosen on rows held out of the training set. The test set is read
once for each final model, in the groups whose `reads_test` is true.
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
from mnn_gpu.utils.threads import available_cores
from scripts.benchmarks.harness import processor

ROOT = Path(__file__).parents[3]
FOLDER = ROOT / ".study"
SELECTION_HOLDOUT = 10_000


@dataclass(frozen=True)
class Run:
    """One training of the study.

    Attributes
    ----------
    group, name : str
    config : TrainingConfig
        With its seed.
    rows : int or None
    holdout : int
    reads_test : bool
    """

    group: str
    name: str
    config: TrainingConfig
    rows: int | None
    holdout: int
    reads_test: bool

    @property
    def key(self) -> str:
        """What its files are called; another configuration makes it another run."""
        default = asdict(TrainingConfig())
        told = {k: v for k, v in asdict(self.config).items() if v != default[k]}
        text = json.dumps([told, self.rows, self.holdout], sort_keys=True)
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


def _of_recipe(name: str, seeds: int) -> list[Run]:
    recipe = RECIPES[name]
    return [
        Run("recipes", name, replace(recipe.config, seed=seed), recipe.rows, recipe.holdout, True)
        for seed in range(seeds)
    ]


def _of_record(name: str, config: TrainingConfig, seeds: int = 3) -> list[Run]:
    holdout = RECIPES["record"].holdout
    return [
        Run("record", name, replace(config, seed=seed), None, holdout, True)
        for seed in range(seeds)
    ]


GROUPS: dict[str, list[Run]] = {
    "recipes": [*_of_recipe("notebook", 10), *_of_recipe("fast", 10), *_of_recipe("accurate", 5)],
    "ablations": [
        Run("ablations", name, replace(config, seed=seed), None, SELECTION_HOLDOUT, False)
        for seed in range(3)
        for name, config in ABLATIONS.items()
    ],
    # The record recipe on fewer rows, so that more are left to watch it by.
    "selection": [
        Run("selection", "record", RECORD, None, SELECTION_HOLDOUT, False),
    ],
    "record": [
        *_of_record("record", RECORD, seeds=4),
        *_of_record("2000-1000", replace(RECORD, hidden=(2000, 1000), epochs=300), seeds=1),
    ],
}


def execute(run: Run) -> dict[str, Any]:
    """Train, going on from a checkpoint if there is one; write the model and the result."""
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
