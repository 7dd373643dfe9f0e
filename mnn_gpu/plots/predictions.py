"""A model's predictions and the true labels, for plots."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from mnn_gpu.backends import Backend
from mnn_gpu.data.dataset import image_shape
from mnn_gpu.data.labels import checked_labels, class_index
from mnn_gpu.errors import UsageError
from mnn_gpu.models.model import Model
from mnn_gpu.models.predictor import predict_proba
from mnn_gpu.utils.validation import several, whole

SHOWN = 16
"""Characters of a class name that are drawn, at most."""

Ints = npt.NDArray[np.intp]


class Predictions(NamedTuple):
    """True and predicted classes, per sample.

    Attributes
    ----------
    truth, predicted : (rows,)
        Class indices.
    confidence : (rows,), floating
        The probability of the predicted class.
    """

    truth: npt.NDArray[np.int32]
    predicted: Ints
    confidence: npt.NDArray[Any]

    @property
    def wrong(self) -> Ints:
        """The misclassified rows, the most confident first."""
        rows = np.flatnonzero(self.truth != self.predicted)
        return rows[np.argsort(-self.confidence[rows], kind="stable")]

    @property
    def score(self) -> str:
        """The accuracy and the number of errors, as text."""
        rows, wrong = len(self.truth), len(self.wrong)
        return f"{1 - wrong / rows:.2%} correct, {wrong:,} of {rows:,} wrong"


def class_name(label: Any) -> str:
    """Return a class name for a plot; Matplotlib would typeset $...$ as a formula."""
    name = str(label)
    return (name if len(name) <= SHOWN else name[: SHOWN - 1] + "…").replace("$", r"\$")


def compute_predictions(
    model: Model, X: npt.ArrayLike, y: npt.ArrayLike, backend: Backend | None, source: str
) -> Predictions:
    """Compute a model's predictions; parameters as for `evaluate`."""
    probabilities = predict_proba(model, X, backend, source=source)
    labels = checked_labels(y, len(probabilities), source)
    predicted = probabilities.argmax(axis=1)
    confidence = probabilities[np.arange(len(predicted)), predicted]
    return Predictions(class_index(model.classes, labels, source), predicted, confidence)


def recipe_of(model: Model) -> Mapping[str, Any]:
    """Return the recipe in a model's info; empty if there is none."""
    recipe = model.info.get("recipe")
    return recipe if isinstance(recipe, Mapping) else {}


def shape_of_images(
    features: int, given: object, model: Model | None = None, X: npt.ArrayLike | None = None
) -> tuple[int, int]:
    """Return height and width: as given, or from the recipe, or from the data, or square.

    Raises
    ------
    UsageError
        If none of these applies, or the number of pixels differs.
    """
    recipe = recipe_of(model).get("image_shape") if model is not None else None
    shape = given or recipe or (None if X is None else image_shape(np.shape(X)))
    if shape is None:
        side = math.isqrt(features)
        if side * side != features or side < 2:
            raise UsageError(
                f"{features} inputs are not a square image, and height and width are not known.",
                "Give them with --image-shape HEIGHT WIDTH or image_shape=(height, width); "
                "the columns of a table are not an image.",
            )
        return side, side
    sides = several(shape)
    if len(sides) != 2:
        raise UsageError(f"image_shape is {shape!r}.", "Give height and width, such as (28, 28).")
    height, width = (whole("image_shape", side, 1) for side in sides)
    if height * width != features:
        raise UsageError(
            f"Images of {height} x {width} do not have {features} pixels.",
            "Give the actual height and width with --image-shape or image_shape.",
        )
    return height, width
