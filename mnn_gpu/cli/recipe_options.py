"""The options that make up a recipe: each overrides one field of it."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from mnn_gpu.cli.options import Options

if TYPE_CHECKING:
    from mnn_gpu import TrainingConfig
    from mnn_gpu.training.recipes import Recipe

RECIPES = ("notebook", "fast", "accurate", "record")
OPTIMIZERS = ("sgd", "momentum", "nesterov", "adam", "adamw")
SCHEDULES = ("constant", "step", "linear", "cosine", "one-cycle")

# Of TrainingConfig: option, type, metavar, help.
NUMBERS: tuple[tuple[str, Any, str, str], ...] = (
    (
        "pixel_max",
        float,
        "X",
        "largest value of a pixel (default: 1, 16, 255 or 65535, by the data)",
    ),
    ("batch_size", int, "N", "samples per update (default: all)"),
    ("momentum", float, "X", "for momentum and nesterov (default: 0.9)"),
    ("beta1", float, "X", "for adam and adamw (default: 0.9)"),
    ("beta2", float, "X", "for adam and adamw (default: 0.999)"),
    ("weight_decay", float, "X", "pull weights to 0, not biases (default: 0; adamw 0.01)"),
    ("ema_decay", float, "X", "use a moving average of the weights, such as 0.999 (default: 0)"),
    ("warmup", float, "X", "share of the run in which the learning rate rises (default: 0)"),
    ("clip_norm", float, "X", "scale gradients down to this length (default: do not)"),
    ("dropout", float, "X", "share of hidden units left out at random (default: 0)"),
    ("input_dropout", float, "X", "share of inputs left out at random (default: 0)"),
    ("label_smoothing", float, "X", "share of a label spread over all classes (default: 0)"),
    ("max_norm", float, "X", "limit the length of each hidden unit's weights (default: no limit)"),
    (
        "patience",
        int,
        "N",
        "stop after N reports without improvement; keep the best",
    ),
    ("target_accuracy", float, "ACC", "stop once the held-out accuracy is ACC, such as 0.98"),
)
# Of Augmentation.
DEFORMATIONS: tuple[tuple[str, str, str], ...] = (
    ("rotation", "DEGREES", "rotate by at most this angle"),
    ("shear", "DEGREES", "slant by at most this angle"),
    ("scaling", "SHARE", "stretch or shrink each side by at most this share"),
    ("shift", "PIXELS", "move by at most this distance"),
    ("alpha", "PIXELS", "strength of the elastic field (Simard's alpha)"),
    ("sigma", "PIXELS", "smoothness of the elastic field, 1 or more"),
)


def add_recipe(parser: argparse.ArgumentParser) -> None:
    """Declare the recipe and what overrides it; what is not given is None."""
    recipe = parser.add_argument_group(
        "recipe", "The defaults below are the notebook's; mnn-gpu recipes lists the others."
    )
    recipe.add_argument(
        "--recipe",
        choices=RECIPES,
        metavar="NAME",
        default="notebook",
        help=f"{', '.join(RECIPES[:-1])} or {RECIPES[-1]} (default: %(default)s)",
    )
    recipe.add_argument(
        "--hidden",
        type=int,
        nargs="*",
        metavar="UNITS",
        help="units of each hidden layer (default: 10 10)",
    )
    recipe.add_argument(
        "--init",
        choices=["notebook", "he", "glorot"],
        help="how to draw the first weights (default: notebook)",
    )
    recipe.add_argument(
        "--scale-inputs",
        action=argparse.BooleanOptionalAction,
        help="train on inputs whose mean square is 1 (default: no)",
    )
    length = recipe.add_mutually_exclusive_group()
    length.add_argument(
        "--iterations", type=int, metavar="N", help="stop after N updates (default: 1000)"
    )
    length.add_argument(
        "--epochs", type=int, metavar="N", help="stop after N passes over the data instead"
    )
    recipe.add_argument(
        "--lr", "--learning-rate", type=float, metavar="X", help="learning rate (default: 0.1)"
    )
    recipe.add_argument(
        "--optimizer",
        choices=OPTIMIZERS,
        metavar="NAME",
        help=f"{', '.join(OPTIMIZERS[:-1])} or {OPTIMIZERS[-1]} (default: sgd)",
    )
    recipe.add_argument(
        "--schedule",
        choices=SCHEDULES,
        help="how the learning rate falls (default: constant)",
    )
    for name, kind, metavar, text in NUMBERS:
        recipe.add_argument(_option(name), type=kind, metavar=metavar, help=text)
    recipe.add_argument(
        "--seed",
        type=int,
        metavar="N",
        help="seed of all random numbers (default: 0)",
    )
    recipe.add_argument(
        "--dtype",
        choices=["float32", "float64"],
        help="precision of the arithmetic (default: float32)",
    )
    recipe.add_argument(
        "--matmul-precision",
        choices=["full", "tf32", "bf16"],
        help="round the inputs of training's matrix products, for a GPU's tensor cores "
        "(default: full, no rounding)",
    )
    _add_deformations(parser.add_argument_group("deformed images"))


def _add_deformations(group: Options) -> None:
    group.add_argument(
        "--augment",
        action=argparse.BooleanOptionalAction,
        help="deform the images at random in every epoch (so does any option below)",
    )
    for name, metavar, text in DEFORMATIONS:
        group.add_argument(_option(name), type=float, metavar=metavar, help=text)
    group.add_argument(
        "--half-turned",
        type=int,
        nargs="*",
        metavar="LABEL",
        help="labels to rotate and slant half as much, such as 1 7",
    )
    group.add_argument(
        "--image-shape",
        type=int,
        nargs=2,
        metavar=("HEIGHT", "WIDTH"),
        help="size of the images to deform (default: as in the file, else square)",
    )


def chosen_config(args: argparse.Namespace, recipe: Recipe) -> TrainingConfig:
    """Return the recipe's configuration with what the options say in its place.

    Raises
    ------
    UsageError
        If a value cannot be meant.
    """
    from dataclasses import replace

    names = [name for name, *_ in NUMBERS]
    names += [
        "hidden",
        "init",
        "scale_inputs",
        "optimizer",
        "schedule",
        "seed",
        "dtype",
        "matmul_precision",
        "image_shape",
    ]
    names += ["iterations", "epochs", "shard_rows", "shards", "fast_reduce", "report_every"]
    fields = {name: value for name in names if (value := getattr(args, name)) is not None}
    if args.lr is not None:
        fields["learning_rate"] = args.lr
    if args.iterations is not None:
        fields["epochs"] = None
    elif args.epochs is not None:
        fields["iterations"] = None
    return replace(recipe.config, **fields, augmentation=_augmentation(args, recipe))


def _augmentation(args: argparse.Namespace, recipe: Recipe) -> Any:
    from dataclasses import replace

    from mnn_gpu import Augmentation, UsageError

    names = [name for name, *_ in DEFORMATIONS] + ["half_turned"]
    given = {name: value for name in names if (value := getattr(args, name)) is not None}
    if args.augment is False:
        if given:
            raise UsageError(
                f"--no-augment and {_option(next(iter(given)))} contradict each other.",
                "Give one of them.",
            )
        return None
    if args.augment or given:
        return replace(recipe.config.augmentation or Augmentation(), **given)
    return recipe.config.augmentation


def _option(name: str) -> str:
    return "--" + name.replace("_", "-")
