"""Recipes: named configurations, from the notebook's to the record, with measured results."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

from mnn_gpu.errors import UsageError
from mnn_gpu.nn.augmentation import Augmentation
from mnn_gpu.training.config import TrainingConfig

MEASURED = Path(__file__).parent / "measured_recipes.json"
KAGGLE_ROWS = 42_000
HOLDOUT = 1000


@dataclass(frozen=True)
class Recipe:
    """A named configuration, and the rows of the bundled MNIST that it uses.

    Attributes
    ----------
    name : str
    summary : str
        Its purpose, in a few words.
    config : TrainingConfig
    rows : int or None
        Number of training rows to use; None: all.
    holdout : int
        Number of them to hold out.
    """

    name: str
    summary: str
    config: TrainingConfig
    rows: int | None = None
    holdout: int = HOLDOUT


NOTEBOOK = Recipe(
    "notebook",
    'the "MNIST from scratch" notebook: full-batch gradient descent',
    TrainingConfig(),
    rows=KAGGLE_ROWS,
)
FAST = Recipe(
    "fast",
    "98 % in seconds on a laptop",
    TrainingConfig(
        hidden=(128, 64),
        learning_rate=5e-3,
        epochs=8,
        batch_size=128,
        optimizer="adam",
        schedule="linear",
    ),
)
ACCURATE = Recipe(
    "accurate",
    "99 % and more in minutes: deformed images",
    TrainingConfig(
        hidden=(1000, 500),
        init="he",
        learning_rate=1e-3,
        epochs=40,
        batch_size=512,
        optimizer="adamw",
        beta2=0.99,
        weight_decay=0.2,
        ema_decay=0.999,
        schedule="cosine",
        warmup=0.02,
        label_smoothing=0.05,
        augmentation=Augmentation(half_turned=(1, 7)),
    ),
)
RECORD = Recipe(
    "record",
    "as good as two hidden layers get, as long as it takes",
    replace(ACCURATE.config, epochs=900),
)
RECIPES = {recipe.name: recipe for recipe in (NOTEBOOK, FAST, ACCURATE, RECORD)}


def recipe_named(name: str) -> Recipe:
    """Return a recipe by its name, or raise a UsageError with the names."""
    if name not in RECIPES:
        raise UsageError(f"There is no recipe {name!r}.", f"Give one of: {', '.join(RECIPES)}.")
    return RECIPES[name]


@cache
def measured() -> dict[str, Any]:
    """Return the measured results of the recipes, by name; written by the study script."""
    figures: dict[str, Any] = json.loads(MEASURED.read_text(encoding="utf-8"))
    return figures
