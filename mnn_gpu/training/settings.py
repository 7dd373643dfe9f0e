"""The settings of a recipe: for each field of `TrainingConfig` its check and its option.

The command line reads this table for its help, so nothing here may import a large module.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection
from typing import Any, NamedTuple

from mnn_gpu.errors import UsageError
from mnn_gpu.utils.choices import DTYPES, INITS, MATMUL_PRECISIONS, OPTIMIZERS, SCHEDULES
from mnn_gpu.utils.validation import number_in, one_of, positive, several, whole

MAX_UNITS = 2**31 - 1


class Setting(NamedTuple):
    """A field of `TrainingConfig`.

    Attributes
    ----------
    check : callable
        Takes name and value; returns the value, or raises a `UsageError`.
    help : str
        Of the option.
    metavar : str, tuple of str or None
    kind : callable or None
        Converts the words of the option; None for an option without a value.
    more : mapping, optional
        More arguments of `ArgumentParser.add_argument`.
    """

    check: Callable[[str, Any], Any]
    help: str
    metavar: str | tuple[str, ...] | None = None
    kind: Callable[[str], Any] | None = float
    more: dict[str, Any] | None = None


def _number(range_: str, fits: Callable[[float], bool], help_: str, metavar: str = "X") -> Setting:
    return Setting(lambda name, value: number_in(name, value, range_, fits), help_, metavar)


def _rate(help_: str) -> Setting:
    return _number("from 0 up to below 1", lambda number: 0 <= number < 1, help_)


def _dropout(help_: str) -> Setting:
    # Whole 256ths, see `regularization.LEVELS`.
    return _number(
        "from 1/256 to 255/256, or 0",
        lambda number: number == 0 or 1 / 256 <= number <= 255 / 256,
        help_,
    )


def _positive(such_as: float, help_: str) -> Setting:
    # As a Python float: a NumPy float64 would turn all that it is multiplied with into float64.
    return Setting(lambda name, value: positive(name, value, such_as), help_, "X")


def _count(help_: str, least: int = 1) -> Setting:
    return Setting(lambda name, value: whole(name, value, least), help_, "N", int)


def _choice(choices: Collection[str], help_: str, metavar: str | None = None) -> Setting:
    def check(name: str, value: str) -> str:
        one_of(name, value, choices)
        return value

    return Setting(check, help_, metavar, str, {"choices": tuple(choices)})


def _flag(help_: str) -> Setting:
    return Setting(_check_flag, help_, None, None)


def _check_flag(name: str, value: Any) -> bool:
    if not isinstance(value, bool):
        raise UsageError(f"{name} is {value!r}.", "Give True or False.")
    return value


def _check_hidden(name: str, value: Any) -> tuple[int, ...]:
    return tuple(whole(name, units, 1, MAX_UNITS) for units in several(value))


def _check_shape(name: str, value: Any) -> tuple[int, int]:
    sides = several(value)
    if len(sides) != 2:
        raise UsageError(f"{name} is {value!r}.", "Give height and width, such as (28, 28).")
    height, width = (whole(name, side, 2, MAX_UNITS) for side in sides)
    return height, width


RECIPE = {
    "hidden": Setting(
        _check_hidden, "units of each hidden layer (default: 10 10)", "UNITS", int, {"nargs": "*"}
    ),
    "init": _choice(INITS, "how to draw the first weights (default: notebook)"),
    "scale_inputs": _flag("train on inputs whose mean square is 1 (default: no)"),
    "iterations": _count("stop after N updates (default: 1000)"),
    "epochs": _count("stop after N passes over the data instead"),
    "learning_rate": _positive(0.1, "learning rate (default: 0.1)"),
    "optimizer": _choice(
        OPTIMIZERS, f"{', '.join(OPTIMIZERS[:-1])} or {OPTIMIZERS[-1]} (default: sgd)", "NAME"
    ),
    "schedule": _choice(SCHEDULES, "how the learning rate falls (default: constant)"),
    "pixel_max": _positive(
        255, "largest value of a pixel (default: 1, 16, 255 or 65535, by the data)"
    ),
    "batch_size": _count("samples per update (default: all)"),
    "momentum": _rate("for momentum and nesterov (default: 0.9)"),
    "beta1": _rate("for adam and adamw (default: 0.9)"),
    "beta2": _rate("for adam and adamw (default: 0.999)"),
    "weight_decay": _number(
        "from 0 up",
        lambda number: 0 <= number < math.inf,
        "pull weights to 0, not biases (default: 0; adamw 0.01)",
    ),
    "ema_decay": _rate("use a moving average of the weights, such as 0.999 (default: 0)"),
    "warmup": _rate("share of the run in which the learning rate rises (default: 0)"),
    "clip_norm": _positive(1, "scale gradients down to this length (default: do not)"),
    "dropout": _dropout("share of hidden units left out at random (default: 0)"),
    "input_dropout": _dropout("share of inputs left out at random (default: 0)"),
    "label_smoothing": _rate("share of a label spread over all classes (default: 0)"),
    "max_norm": _positive(2, "limit the length of each hidden unit's weights (default: no limit)"),
    "patience": _count("stop after N reports without improvement; keep the best"),
    "target_accuracy": _number(
        "above 0, up to 1",
        lambda number: 0 < number <= 1,
        "stop once the held-out accuracy is ACC, such as 0.98",
        "ACC",
    ),
    "seed": _count("seed of all random numbers (default: 0)", least=0),
    "dtype": _choice(DTYPES, "precision of the arithmetic (default: float32)"),
    "matmul_precision": _choice(
        MATMUL_PRECISIONS,
        "round the inputs of training's matrix products, for a GPU's tensor cores "
        "(default: full, no rounding)",
    ),
}
IMAGES = {
    "image_shape": Setting(
        _check_shape,
        "size of the images to deform (default: as in the file, else square)",
        ("HEIGHT", "WIDTH"),
        int,
        {"nargs": 2},
    ),
}
DEVICE = {
    "shard_rows": _count("compute a batch in parts of N samples (default: depends on the device)"),
    "shards": _count(
        "cut each batch into N shards for several ranks; for the same N the result is "
        "bit-identical for any number of ranks (default: 8 for up to 8 ranks)"
    ),
    "fast_reduce": _flag("sum the shards' gradients in the arithmetic's dtype, not in float64"),
}
OUTPUT = {
    "report_every": _count(
        "report after every N iterations (default: 100; an epoch with minibatches)"
    ),
}
SETTINGS = RECIPE | IMAGES | DEVICE | OUTPUT
"""All fields of `TrainingConfig` but ``augmentation``, in the groups of the help."""
