"""The study's plots: deformed digits, learning curves, misread digits."""

from __future__ import annotations

from typing import Any

from mnn_gpu import Model, plots
from mnn_gpu.data import bundled_mnist
from scripts.benchmarks.harness import RESULTS
from scripts.research.study.runs import DEFORMED

FOLDER = RESULTS
COLUMNS = ("epoch", "loss", "accuracy", "validation_accuracy")


def deformations() -> None:
    """Draw the ten digits, and below each some of its deformed copies."""
    data = bundled_mnist("train")
    plots.save(FOLDER / "deformations.png", plots.augmentation(DEFORMED, data.X, data.labels()))


def learning_curve(result: dict[str, Any]) -> None:
    """Draw training and held-out accuracy, and the training's loss, over the epochs."""
    curve = dict(zip(COLUMNS, zip(*result["curve"], strict=True), strict=True))
    plots.save(FOLDER / "learning-curve.png", plots.history(curve))


def mistakes(model: Model) -> None:
    """Draw every test image that a model misreads, with the truth and its answer."""
    test = bundled_mnist("test")
    figure = plots.mistakes(model, test.X, test.labels(), most=400, source=test.source)
    plots.save(FOLDER / "mistakes.png", figure)
