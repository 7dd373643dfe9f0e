"""The names of features: which tell them apart, and where each is in data in another order."""

from __future__ import annotations

import math
import re
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from mnn_gpu.errors import DataError, DataWarning

Names = tuple[str, ...]

MOST_TEXT = 1 << 22
"""Characters of all names together that a model stores."""
MOST_SHOWN = 3
NUMBER = re.compile(r"\d{1,9}")
CURE = (
    "Give the columns of the training data by the same names, in any order; --label-column "
    "names the label, and --keep-columns keeps columns that number rows."
)


def distinct_names(names: Any) -> Names | None:
    """Return names as a tuple if all of them are text and different, and not too long."""
    try:
        names = tuple(names)
    except TypeError:
        return None
    if not names or not all(isinstance(name, str) for name in names):
        return None
    is_usable = len(set(names)) == len(names) and sum(map(len, names)) <= MOST_TEXT
    return names if is_usable else None


def order_of(names: Names | None, wanted: Names | None, source: str) -> npt.NDArray[np.intp] | None:
    """Return where each of the model's features is among the data's.

    Features are taken by position where one side has no names, where the names on both sides
    only number the columns in their order (``pixel0, pixel1, ...`` and ``1x1, 1x2, ...``), and,
    with a warning, where no name is the same.

    Parameters
    ----------
    names, wanted : tuple of str or None
        The features of the data and of the model.
    source : str
        For messages.

    Returns
    -------
    (features,), int, or None
        None: by position.

    Raises
    ------
    DataError
        If there are names on both sides, and some are missing or unknown.

    Warns
    -----
    DataWarning
    """
    if names is None or wanted is None or names == wanted:
        return None
    at = {name: i for i, name in enumerate(names)}
    missing = [name for name in wanted if name not in at]
    if not missing and len(names) == len(wanted):
        return np.array([at[name] for name in wanted], np.intp)
    if are_numbers(names) and are_numbers(wanted):
        return None
    if len(missing) == len(wanted):
        if len(names) == len(wanted):
            warnings.warn(
                f"{source}: no column has the name of a column of the training data; columns are "
                "taken by position.",
                DataWarning,
                stacklevel=2,
            )
        return None
    unknown = sorted(set(names) - set(wanted), key=at.__getitem__)
    faults = [
        f"{verb} {_listed(some)}"
        for verb, some in (("lacks", missing), ("also has", unknown))
        if some
    ]
    raise DataError(
        f"{source} has other columns than the training data: it {' and '.join(faults)}.", CURE
    )


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(repr(name[:40]) for name in names[:MOST_SHOWN])
    more = len(names) - MOST_SHOWN
    return f"{shown} and {more:,} more" if more > 0 else shown


def are_numbers(names: Names) -> bool:
    """Return whether names are one text with all numbers, or all pairs of numbers, in order."""
    texts = {NUMBER.sub("0", name) for name in names}
    if len(texts) > 1 or "0" not in next(iter(texts)):
        return False
    numbers = [tuple(map(int, NUMBER.findall(name))) for name in names]
    sides = (max(column) - min(column) + 1 for column in zip(*numbers, strict=True))
    return math.prod(sides) == len(numbers) and numbers == sorted(set(numbers))
