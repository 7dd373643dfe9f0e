"""The record model: chosen, written into the package, and described by its card."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import Any

from mnn_gpu import Model, evaluate, load_model, save_model
from mnn_gpu.data import bundled_mnist, split
from mnn_gpu.models.model_file import SHIPPED
from mnn_gpu.training import recipes
from scripts.research.study.runs import Run

CARD = SHIPPED["record"].with_name("record.md")


def percent(share: float, digits: int = 2) -> str:
    return f"{share * 100:.{digits}f}%"


def counted(number: int, name: str) -> str:
    return f"{number} {name}" + ("" if number == 1 else "s")


def interval(errors: int, rows: int) -> tuple[float, float]:
    """Return Wilson's 95% interval of an error rate."""
    z, p = 1.96, errors / rows
    middle = p + z * z / (2 * rows)
    half = z * math.sqrt(p * (1 - p) / rows + z * z / (4 * rows * rows))
    return (middle - half) / (1 + z * z / rows), (middle + half) / (1 + z * z / rows)


def ship(runs: Sequence[Run], results: Sequence[dict[str, Any]]) -> None:
    """Put the model with the best held-out rows into the package, and write its card."""
    held_out = [result["held_out"] for result in results]
    best = max(range(len(runs)), key=lambda i: (held_out[i]["accuracy"], -held_out[i]["loss"]))
    run, model = runs[best], load_model(runs[best].model)
    model = replace(model, info={**model.info, "test_accuracy": results[best]["test"]["accuracy"]})
    save_model(SHIPPED["record"], model, dtype="float16")
    half, whole = scores_of(load_model("record"), run), scores_of(model, run)
    if whole["held_out"]["errors"] != half["held_out"]["errors"]:
        save_model(SHIPPED["record"], model)
    CARD.write_text(card(results, best, half, whole), encoding="utf-8")


def scores_of(model: Model, run: Run) -> dict[str, Any]:
    """Return how a model does on its training and on its held-out rows."""
    parts = split(bundled_mnist("train"), run.holdout, run.config.seed, run.rows)
    return {
        name: asdict(evaluate(model, part.X, part.labels()))
        for name, part in zip(("training", "held_out"), parts, strict=True)
    }


def card(
    results: Sequence[dict[str, Any]], best: int, half: dict[str, Any], whole: dict[str, Any]
) -> str:
    """Return the record model's card."""
    chosen = results[best]
    config, test = chosen["config"], chosen["test"]
    low, high = interval(test["errors"], test["rows"])
    default = asdict(recipes.NOTEBOOK.config)
    fields = {
        name: value
        for name, value in config.items()
        if value != default[name] and name not in ("augmentation", "seed")
    }
    fields |= {f"augmentation.{name}": value for name, value in config["augmentation"].items()}
    errors = ", ".join(f"{r['seed']}: {r['test']['errors']}" for r in results)
    accuracy = statistics.mean(r["test"]["accuracy"] for r in results)
    return f"""# The record model

784-{"-".join(map(str, config["hidden"]))}-10: two hidden ReLU layers and a softmax, trained from \
scratch by this package on MNIST alone. `mnn-gpu evaluate record`, \
`mnn-gpu predict record IMAGES` and `mnn_gpu.load_model("record")` use it.

- Test error: {test["errors"]} of {test["rows"]:,}, {percent(test["errors"] / test["rows"])} \
(95% interval {percent(low)} to {percent(high)}, Wilson). A single model, no averaging of several \
images or networks.
- Seeds and their test errors: {errors}; mean accuracy {percent(accuracy, 3)}.
- Chosen: seed {chosen["seed"]}, for the best accuracy on the {chosen["held_out"]["rows"]:,} rows \
held out of its training set ({counted(chosen["held_out"]["errors"], "error")}). The recipe itself \
was chosen on 10,000 rows held out; the test set was read once for each seed's final model.
- Trained on {chosen["rows"]:,} rows for {chosen["epochs"]} epochs, {chosen["seconds"] / 60:.0f} \
minutes on {counted(chosen["cores"], "core")} of {chosen["machine"]}, {chosen["date"]}.
- Stored as float16: {half["held_out"]["errors"]} held-out and {half["training"]["errors"]} \
training errors, compared with {whole["held_out"]["errors"]} and {whole["training"]["errors"]} in \
float32.

Recipe (`train --recipe record`), where it differs from the notebook's:

| field | value |
| --- | --- |
{chr(10).join(f"| {name} | {value} |" for name, value in fields.items())}

It knows the digits of MNIST: centered by mass, gray on black, 28 x 28. Other handwriting, or \
anything that is not a digit, also gets a digit and a probability. MNIST is by Yann LeCun, \
Corinna Cortes and Christopher J. C. Burges, CC BY-SA 3.0.
"""
