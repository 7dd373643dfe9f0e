"""`mnn-gpu recipes`: list the recipes with their measured results."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from mnn_gpu.cli.options import add_json, print_json
from mnn_gpu.utils.console import show

if TYPE_CHECKING:
    from mnn_gpu import TrainingConfig

SUMMARY = "list the recipes with their measured accuracy and time"
DESCRIPTION = "List the recipes of train --recipe NAME, with their measured accuracy and time."
EPILOG = """\
examples:
  mnn-gpu recipes
  train --recipe fast --epochs 4"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    add_json(parser)


def run(args: argparse.Namespace) -> int:
    """Print the recipes; return the exit code."""
    from dataclasses import asdict
    from textwrap import wrap

    from mnn_gpu.training.recipes import RECIPES, measured

    if args.json:
        print_json(
            {
                name: {**asdict(recipe), "measured": measured().get(name)}
                for name, recipe in RECIPES.items()
            }
        )
        return 0
    show(f"{'recipe':10} {'hidden':>10}  {'test accuracy':24} {'training time':>14}")
    for name, recipe in RECIPES.items():
        hidden = "-".join(map(str, recipe.config.hidden))
        accuracy, seconds = _figures(measured().get(name))
        show(f"{name:10} {hidden:>10}  {accuracy:24} {seconds:>14}")
        show(f"{'':10} {recipe.summary}")
        for line in wrap(_differences(recipe.config, RECIPES["notebook"].config), 76):
            show(f"{'':10} {line}")
    return 0


def _differences(config: TrainingConfig, notebook: TrainingConfig) -> str:
    """Return the fields in which a recipe differs from the notebook's."""
    from dataclasses import asdict

    fields, before = asdict(config), asdict(notebook)
    changed = {name: value for name, value in fields.items() if value != before[name]}
    deformation = changed.pop("augmentation", None) or {}
    return ", ".join(f"{name} {_plain(value)}" for name, value in (changed | deformation).items())


def _plain(value: object) -> str:
    return " ".join(map(str, value)) if isinstance(value, tuple) else f"{value}"


def _figures(figures: dict[str, Any] | None) -> tuple[str, str]:
    """Return a recipe's accuracy and time, with the spread over its seeds."""
    if figures is None:
        return "not measured yet", ""
    accuracy = figures["test_accuracy"]
    text = f"{accuracy['mean']:.2%} sd {accuracy['sd'] * 100:.2f} ({figures['seeds']} seeds)"
    seconds = figures["seconds"]["median"]
    return text, f"{seconds:.1f} s" if seconds < 100 else f"{seconds / 60:.0f} min"
