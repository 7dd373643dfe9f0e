"""The options of a recipe, made from its settings: each overrides one field."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from mnn_gpu.cli.options import Options
from mnn_gpu.training.settings import IMAGES, RECIPE, SETTINGS, Setting
from mnn_gpu.utils.choices import RECIPES

if TYPE_CHECKING:
    from mnn_gpu import TrainingConfig
    from mnn_gpu.training.recipes import Recipe

LENGTHS = ("iterations", "epochs")
"""Settings of which only one may be given."""

DEFORMATIONS: tuple[tuple[str, str, str], ...] = (
    ("rotation", "DEGREES", "rotate by at most this angle"),
    ("shear", "DEGREES", "slant by at most this angle"),
    ("scaling", "SHARE", "stretch or shrink each side by at most this share"),
    ("shift", "PIXELS", "move by at most this distance"),
    ("alpha", "PIXELS", "strength of the elastic field (Simard's alpha)"),
    ("sigma", "PIXELS", "smoothness of the elastic field, 1 or more"),
)
"""Fields of `Augmentation`: name, metavar, help."""


def add_recipe(parser: argparse.ArgumentParser) -> None:
    """Declare the recipe and what overrides it; an option that is not given is None."""
    group = parser.add_argument_group(
        "recipe", "The defaults below are the notebook's; mnn-gpu recipes lists the others."
    )
    group.add_argument(
        "--recipe",
        choices=RECIPES,
        metavar="NAME",
        default="notebook",
        help=f"{', '.join(RECIPES[:-1])} or {RECIPES[-1]} (default: %(default)s)",
    )
    length = group.add_mutually_exclusive_group()
    for name, setting in RECIPE.items():
        add_setting(length if name in LENGTHS else group, name, setting)
    _add_deformations(parser.add_argument_group("deformed images"))


def add_setting(group: Options, name: str, setting: Setting) -> None:
    """Declare the option of a setting, named after the field of `TrainingConfig`."""
    option = option_of(name)
    flags = ("--lr", option) if name == "learning_rate" else (option,)
    how: dict[str, Any] = {"action": argparse.BooleanOptionalAction}
    if setting.kind is not None:
        how = {"type": setting.kind, "metavar": setting.metavar, **(setting.more or {})}
    group.add_argument(*flags, dest=name, help=setting.help, **how)


def _add_deformations(group: Options) -> None:
    group.add_argument(
        "--augment",
        action=argparse.BooleanOptionalAction,
        help="deform the images at random in every epoch (so does any option below)",
    )
    for name, metavar, text in DEFORMATIONS:
        group.add_argument(option_of(name), type=float, metavar=metavar, help=text)
    group.add_argument(
        "--half-turned",
        type=int,
        nargs="*",
        metavar="LABEL",
        help="labels to rotate and slant half as much, such as 1 7",
    )
    for name, setting in IMAGES.items():
        add_setting(group, name, setting)


def chosen_config(args: argparse.Namespace, recipe: Recipe) -> TrainingConfig:
    """Return the configuration of a recipe, with the fields that the options override.

    Raises
    ------
    UsageError
        If a value is invalid.
    """
    from dataclasses import replace

    fields = {name: value for name in SETTINGS if (value := getattr(args, name)) is not None}
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
                f"--no-augment and {option_of(next(iter(given)))} contradict each other.",
                "Give one of them.",
            )
        return None
    if args.augment or given:
        return replace(recipe.config.augmentation or Augmentation(), **given)
    return recipe.config.augmentation


def option_of(name: str) -> str:
    """Return the option of a field."""
    return "--" + name.replace("_", "-")
