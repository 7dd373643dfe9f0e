"""A model's answers held against the labels, for the pictures of them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from mnn_gpu.backends import Backend
from mnn_gpu.data.dataset import checked_labels, class_index, image_shape
from mnn_gpu.errors import UsageError
from mnn_gpu.models.model import Model
from mnn_gpu.models.predictor import predict_proba
from mnn_gpu.utils.validation import several, whole

SHOWN = 16
"""Characters of a class's name that are drawn."""

Ints = npt.NDArray[np.intp]


class Answers(NamedTuple):
    """What is true and what a model says, sample by sample.

    Attributes
    ----------
    truth, said : (rows,)
        Class indices.
    confidence : (rows,), floating
        The probability of what is said.
    """

    truth: npt.NDArray[np.int32]
    said: Ints
    confidence: npt.NDArray[Any]

    @property
    def wrong(self) -> Ints:
        """The rows that are misread, the most confident first."""
        rows = np.flatnonzero(self.truth != self.said)
        return rows[np.argsort(-self.confidence[rows], kind="stable")]

    @property
    def score(self) -> str:
        """How many are right, in words."""
        rows, wrong = len(self.truth), len(self.wrong)
        return f"{1 - wrong / rows:.2%} right, {wrong:,} of {rows:,} wrong"


def class_name(label: Any) -> str:
    """Return what a class is called in a picture; Matplotlib would set $...$ as a formula."""
    name = str(label)
    return (name if len(name) <= SHOWN else name[: SHOWN - 1] + "…").replace("$", r"\$")


def answers(
    model: Model, X: npt.ArrayLike, y: npt.ArrayLike, backend: Backend | None, source: str
) -> Answers:
    """Ask a model; the parameters are those of `evaluate`."""
    probabilities = predict_proba(model, X, backend, source=source)
    labels = checked_labels(y, len(probabilities), source)
    said = probabilities.argmax(axis=1)
    confidence = probabilities[np.arange(len(said)), said]
    return Answers(class_index(model.classes, labels, source), said, confidence)


def recipe_of(model: Model) -> Mapping[str, Any]:
    """Return what a model says of its training; empty if it says nothing."""
    recipe = model.info.get("recipe")
    return recipe if isinstance(recipe, Mapping) else {}


def shape_of_images(
    features: int, given: object, model: Model | None = None, X: npt.ArrayLike | None = None
) -> tuple[int, int]:
    """Return height and width: as given, else of the recipe, else of the data, else square.

    Raises
    ------
    UsageError
        If none of these is there, or the one that is has not as many pixels.
    """
    recipe = recipe_of(model).get("image_shape") if model is not None else None
    shape = given or recipe or (None if X is None else image_shape(np.shape(X)))
    if shape is None:
        side = math.isqrt(features)
        if side * side != features or side < 2:
            raise UsageError(
                f"{features} inputs are no square image, and nothing tells height and width.",
                "Give them with --image-shape HEIGHT WIDTH or image_shape=(height, width); "
                "a table's columns are no image at all.",
            )
        return side, side
    sides = several(shape)
    if len(sides) != 2:
        raise UsageError(f"image_shape is {shape!r}.", "Give height and width, such as (28, 28).")
    height, width = (whole("image_shape", side, 1) for side in sides)
    if height * width != features:
        raise UsageError(
            f"Images of {height} x {width} do not have {features} pixels.",
            "Give height and width as they are, with --image-shape or image_shape.",
        )
    return height, width
