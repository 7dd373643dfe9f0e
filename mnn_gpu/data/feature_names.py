"""Matching the features of data to those of a model by their names."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from mnn_gpu.errors import DataError, DataWarning, warn

Names = tuple[str, ...]

MOST_TEXT = 1 << 22
"""Total length in characters of the names that a model stores, at most."""
MOST_SHOWN = 3
NUMBER = re.compile(r"\d{1,9}")
CURE = (
    "Use the same column names as in the training data, in any order; --label-column "
    "names the label, and --keep-columns keeps columns that number rows."
)


def text_names(names: Any) -> Names | None:
    """Return names as a tuple if all of them are text and they are not too long."""
    try:
        names = tuple(names)
    except TypeError:
        return None
    are_text = names and all(isinstance(name, str) for name in names)
    return names if are_text and sum(map(len, names)) <= MOST_TEXT else None


def order_of(
    names: Names | None, model_names: Names | None, source: str
) -> npt.NDArray[np.intp] | None:
    """Return the position in the data of each of the model's features.

    Names are compared without regard to case. Features are matched by position if one side has
    no names, if the model's names are not unique, if the names on both sides only number the
    columns in order (``pixel0, pixel1, ...`` and ``1x1, 1x2, ...``), and, with a warning, if no
    name matches.

    Parameters
    ----------
    names, model_names : tuple of str or None
        The features of the data and of the model.
    source : str
        For messages.

    Returns
    -------
    (features,), int, or None
        None: match by position.

    Raises
    ------
    DataError
        If both sides have names, and some are missing or unknown.

    Warns
    -----
    DataWarning
    """
    if (
        names is None
        or model_names is None
        or names == model_names
        or len(set(model_names)) < len(model_names)
    ):
        return None
    if are_numbers(names) and are_numbers(model_names):
        return None
    for key in (str, str.casefold):
        at = {key(name): i for i, name in enumerate(names)}
        order = [at[key(name)] for name in model_names if key(name) in at]
        if len(set(order)) == len(at) == len(names) == len(model_names):
            return np.array(order, np.intp)
    there, expected = set(names), set(model_names)
    missing = [name for name in model_names if name not in there]
    if len(missing) == len(model_names):
        if len(names) == len(model_names):
            warn(
                f"{source}: no column name matches the training data; columns are "
                "matched by position.",
                DataWarning,
            )
        return None
    parts = {
        "lacks": missing,
        "also has": [name for name in dict.fromkeys(names) if name not in expected],
        "has twice": [name for name, count in Counter(names).items() if count > 1],
    }
    faults = [f"{verb} {_listed(some)}" for verb, some in parts.items() if some]
    raise DataError(
        f"{source} has different columns than the training data: it {' and '.join(faults)}.", CURE
    )


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(repr(name[:40]) for name in names[:MOST_SHOWN])
    more = len(names) - MOST_SHOWN
    return f"{shown} and {more:,} more" if more > 0 else shown


def are_numbers(names: Names) -> bool:
    """Return whether the names are a common text with consecutive numbers or pairs of numbers."""
    texts = {NUMBER.sub("0", name) for name in names}
    if len(texts) > 1 or "0" not in next(iter(texts)):
        return False
    numbers = [tuple(map(int, NUMBER.findall(name))) for name in names]
    sides = (max(column) - min(column) + 1 for column in zip(*numbers, strict=True))
    return math.prod(sides) == len(numbers) and numbers == sorted(set(numbers))
