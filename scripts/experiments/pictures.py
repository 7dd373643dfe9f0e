"""The study's pictures: deformed digits, learning curves, misread digits."""

from __future__ import annotations

from typing import Any

import array_api_compat.numpy
import numpy as np

from mnn_gpu import RECIPES, Augmentation, Model, predict_proba
from mnn_gpu.augmentation import AFFINE_PICTURES, UNIFORMS, deform, deformation_basis, warps
from mnn_gpu.data import bundled_mnist
from scripts.experiments.runs import ROOT

FOLDER = ROOT / "scripts" / "results"
SHAPE = (28, 28)
BLUE, ORANGE, GREY = "#0072b2", "#d55e00", "#666666"
COPIES = 9


def deformations() -> None:
    """Draw the ten digits, and beside each some of its deformed copies."""
    import matplotlib.pyplot as plt

    augmentation = RECIPES["record"].config.augmentation or Augmentation()
    data = bundled_mnist("train")
    labels = data.labels()
    first = [int(np.flatnonzero(labels == digit)[3]) for digit in range(10)]
    originals = data.X[first] / 255
    rng = np.random.default_rng(1)
    basis = deformation_basis(augmentation, SHAPE, array_api_compat.numpy)
    pictures = np.repeat(originals, COPIES, axis=0)
    m = len(pictures)
    turn = np.where(np.isin(np.arange(10).repeat(COPIES), augmentation.half_turned), 0.5, 1.0)
    normals = rng.standard_normal((m, 2, len(basis) - AFFINE_PICTURES))
    drawn = warps(rng.uniform(-1, 1, (m, UNIFORMS)), normals, augmentation, SHAPE, turn)
    copies = deform(pictures, drawn, basis, SHAPE).reshape(10, COPIES, *SHAPE)
    columns = np.concatenate([originals.reshape(10, 1, *SHAPE), copies], axis=1)
    figure, axes = plt.subplots(
        COPIES + 1, 10, figsize=(6.4, 6.7), gridspec_kw={"wspace": 0.06, "hspace": 0.06}
    )
    for (row, column), axis in np.ndenumerate(axes):
        axis.imshow(columns[column, row], cmap="gray_r", vmin=0, vmax=1)
        axis.set(xticks=[], yticks=[])
        for side in axis.spines.values():
            side.set_color(BLUE if row == 0 else "#dddddd")
            side.set_linewidth(1.6 if row == 0 else 0.6)
    axes[0, 0].set_ylabel("original", color=BLUE, fontsize=9)
    axes[5, 0].set_ylabel("deformed", color=GREY, fontsize=9)
    _save(figure, "deformations.png")


def learning_curve(result: dict[str, Any]) -> None:
    """Draw training and held-out error over the epochs."""
    import matplotlib.pyplot as plt

    epochs, _, accuracy, held_out = zip(*result["curve"], strict=True)
    figure, axis = plt.subplots(figsize=(7.2, 3.8))
    for values, colour, name in (
        (accuracy, ORANGE, "training rows, deformed"),
        (held_out, BLUE, "held-out rows"),
    ):
        errors = [100 * (1 - value) for value in values]
        axis.plot(epochs, errors, color=colour, linewidth=1.6)
        axis.annotate(
            name,
            (epochs[-1], errors[-1]),
            xytext=(0, 7),
            textcoords="offset points",
            ha="right",
            color=colour,
            fontsize=9,
        )
    axis.set(xlabel="epoch", ylabel="error, %", yscale="log")
    axis.set_yticks([0.3, 0.5, 1, 2, 5, 10, 20], ["0.3", "0.5", "1", "2", "5", "10", "20"])
    axis.minorticks_off()
    axis.grid(alpha=0.25)
    axis.spines[["top", "right"]].set_visible(False)
    _save(figure, "learning-curve.png")


def mistakes(model: Model) -> None:
    """Draw every test image that a model misreads, with the truth and its answer."""
    import matplotlib.pyplot as plt

    test = bundled_mnist("test")
    probabilities = predict_proba(model, test.X)
    answers, labels = probabilities.argmax(axis=1), test.labels()
    wrong = np.flatnonzero(answers != labels)
    columns = 10
    rows = -(-len(wrong) // columns)
    figure, axes = plt.subplots(
        rows, columns, figsize=(7.6, 0.98 * rows), gridspec_kw={"hspace": 0.45, "wspace": 0.15}
    )
    for axis in axes.flat:
        axis.axis("off")
    for axis, i in zip(axes.flat, wrong, strict=False):
        axis.imshow(test.X[i].reshape(SHAPE), cmap="gray_r")
        axis.set_title(f"{labels[i]}, not {answers[i]}", fontsize=8, color="#222222", pad=2)
    _save(figure, "mistakes.png")


def _save(figure: Any, name: str) -> None:
    figure.savefig(FOLDER / name, dpi=140, bbox_inches="tight", facecolor="white")
