"""The recipes: their values, an option that overrides each field, and how they are listed."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import Any

import pytest

from mnn_gpu import RECIPES, Augmentation, TrainingConfig, UsageError, load_model
from mnn_gpu.cli import recipe_options, train
from mnn_gpu.nn.matmul_precision import FULL, SIGNIFICANT_BITS
from mnn_gpu.nn.schedules import SCHEDULES
from mnn_gpu.training.recipes import measured, recipe_named
from mnn_gpu.training.settings import SETTINGS
from mnn_gpu.utils import choices
from tests.support.program import run


def config_of(*options: str) -> TrainingConfig:
    """Return what `train` would follow with these options."""
    parser = ArgumentParser()
    train.add_arguments(parser)
    args = parser.parse_args(options)
    return recipe_options.chosen_config(args, recipe_named(args.recipe))


def test_the_notebook_is_the_default() -> None:
    assert config_of() == TrainingConfig()
    assert RECIPES["notebook"].config == TrainingConfig()
    assert (RECIPES["notebook"].rows, RECIPES["notebook"].holdout) == (42_000, 1000)


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_is_its_configuration(name: str) -> None:
    assert config_of("--recipe", name) == RECIPES[name].config


def test_the_record_has_two_hidden_layers() -> None:
    assert len(RECIPES["record"].config.hidden) == 2


OVERRIDES: dict[str, tuple[tuple[str, ...], Any]] = {
    "hidden": (("--hidden", "30", "20"), (30, 20)),
    "init": (("--init", "glorot"), "glorot"),
    "scale_inputs": (("--scale-inputs",), True),
    "learning_rate": (("--lr", "0.3"), 0.3),
    "iterations": (("--iterations", "7"), 7),
    "epochs": (("--epochs", "7"), 7),
    "batch_size": (("--batch-size", "7"), 7),
    "optimizer": (("--optimizer", "nesterov"), "nesterov"),
    "momentum": (("--momentum", "0.5"), 0.5),
    "beta1": (("--beta1", "0.5"), 0.5),
    "beta2": (("--beta2", "0.5"), 0.5),
    "weight_decay": (("--weight-decay", "0"), 0.0),
    "ema_decay": (("--ema-decay", "0.5"), 0.5),
    "schedule": (("--schedule", "one-cycle"), "one-cycle"),
    "warmup": (("--warmup", "0.5"), 0.5),
    "clip_norm": (("--clip-norm", "0.5"), 0.5),
    "dropout": (("--dropout", "0.5"), 0.5),
    "input_dropout": (("--input-dropout", "0.5"), 0.5),
    "label_smoothing": (("--label-smoothing", "0.5"), 0.5),
    "max_norm": (("--max-norm", "0.5"), 0.5),
    "pixel_max": (("--pixel-max", "16"), 16.0),
    "augmentation": (("--no-augment",), None),
    "image_shape": (("--image-shape", "8", "9"), (8, 9)),
    "patience": (("--patience", "7"), 7),
    "target_accuracy": (("--target-accuracy", "0.5"), 0.5),
    "shard_rows": (("--shard-rows", "7"), 7),
    "shards": (("--shards", "7"), 7),
    "fast_reduce": (("--fast-reduce",), True),
    "seed": (("--seed", "7"), 7),
    "dtype": (("--dtype", "float64"), "float64"),
    "matmul_precision": (("--matmul-precision", "bf16"), "bf16"),
    "report_every": (("--report-every", "7"), 7),
}


def test_every_field_has_an_option() -> None:
    assert set(OVERRIDES) == {field.name for field in fields(TrainingConfig)}


@pytest.mark.parametrize("recipe", ["notebook", "record"])
@pytest.mark.parametrize("field", OVERRIDES)
def test_every_field_can_be_overridden(recipe: str, field: str) -> None:
    options, expected = OVERRIDES[field]
    changed = config_of("--recipe", recipe, *options)
    assert getattr(changed, field) == expected
    length = {"iterations", "epochs"} if field in ("iterations", "epochs") else {field}
    before, after = asdict(RECIPES[recipe].config), asdict(changed)
    assert {name for name in after if after[name] != before[name]} <= length


DEFORMATIONS: dict[str, tuple[str, Any]] = {
    "rotation": ("2", 2.0),
    "shear": ("2", 2.0),
    "scaling": ("0.5", 0.5),
    "shift": ("3", 3.0),
    "alpha": ("2", 2.0),
    "sigma": ("2", 2.0),
    "half_turned": ("4", (4,)),
}


@pytest.mark.parametrize("recipe", ["notebook", "record"])
@pytest.mark.parametrize("field", [field.name for field in fields(Augmentation)])
def test_every_deformation_can_be_overridden(recipe: str, field: str) -> None:
    text, expected = DEFORMATIONS[field]
    config = config_of("--recipe", recipe, "--" + field.replace("_", "-"), text)
    base = RECIPES[recipe].config.augmentation or Augmentation()
    assert config.augmentation == replace(base, **{field: expected})


def test_deformation_is_turned_on_and_off() -> None:
    assert config_of("--augment").augmentation == Augmentation()
    assert config_of("--recipe", "record", "--no-augment").augmentation is None
    assert config_of("--recipe", "record", "--augment") == RECIPES["record"].config
    with pytest.raises(UsageError, match="--no-augment and --rotation contradict"):
        config_of("--no-augment", "--rotation", "5")


def test_the_command_line_offers_what_there_is() -> None:
    # Listed apart from what they name, so that --help loads few modules.
    assert tuple(RECIPES) == choices.RECIPES
    assert tuple(SCHEDULES) == choices.SCHEDULES
    assert (FULL, *SIGNIFICANT_BITS) == choices.MATMUL_PRECISIONS
    assert {*SETTINGS, "augmentation"} == {field.name for field in fields(TrainingConfig)}
    for init in choices.INITS:
        assert config_of("--init", init).init == init


def test_an_unknown_recipe_is_an_error_that_names_the_others() -> None:
    with pytest.raises(UsageError, match="no recipe 'slow'") as caught:
        recipe_named("slow")
    assert "notebook, fast, accurate, record" in caught.value.cure


def test_recipes_are_listed_with_what_they_reached(tmp_path: Path) -> None:
    text = run("recipes", cwd=tmp_path).stdout
    listed = json.loads(run("recipes", "--json", cwd=tmp_path).stdout)
    assert list(listed) == list(RECIPES)
    for name, recipe in RECIPES.items():
        assert recipe.summary in text
        assert listed[name]["config"]["hidden"] == list(recipe.config.hidden)
        figures = measured().get(name)
        assert listed[name]["measured"] == figures
        if figures:
            assert f"{figures['test_accuracy']['mean']:.2%}" in text


def test_a_recipe_trains_and_stops_and_goes_on(tmp_path: Path) -> None:
    options = ["--recipe", "accurate", "--hidden", "20", "--rows", "1500", "--epochs", "2", "-q"]
    whole = run("train", *options, "--out", "a.safetensors", cwd=tmp_path)
    assert whole.returncode == 0, whole.stderr
    for _ in range(2):
        again = run(
            *("train", *options, "--out", "b.safetensors", "--checkpoint", "run", "--resume"),
            cwd=tmp_path,
        )
        assert again.returncode == 0, again.stderr
        a, b = (load_model(tmp_path / name) for name in ("a.safetensors", "b.safetensors"))
        assert (a.theta == b.theta).all()
    other = run(
        *("train", *options, "--seed", "5", "--checkpoint", "run", "--resume"), cwd=tmp_path
    )
    assert other.returncode == 2
    assert "seed 0, not 5" in other.stderr
    lost = run("train", *options, "--resume", cwd=tmp_path)
    assert lost.returncode == 2
    assert "--checkpoint" in lost.stderr


def test_a_wanted_accuracy_and_patience_end_a_training(tmp_path: Path) -> None:
    options = ["train", "--recipe", "fast", "--rows", "3000", "--epochs", "50", "--json", "-q"]
    until = json.loads(run(*options, "--target-accuracy", "0.85", cwd=tmp_path).stdout)
    assert until["history"][-1]["validation_accuracy"] >= 0.85
    assert len(until["history"]) < 50
    patient = json.loads(run(*options, "--patience", "2", cwd=tmp_path).stdout)
    accuracies = [record["validation_accuracy"] for record in patient["history"]]
    assert len(accuracies) < 50
    assert patient["best"]["validation_accuracy"] == max(accuracies)
    assert patient["held_out"]["accuracy"] == max(accuracies)
    refused = run(*options, "--patience", "2", "--holdout", "0", cwd=tmp_path)
    assert refused.returncode == 2
    assert "--holdout" in refused.stderr
