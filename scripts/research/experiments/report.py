"""What the study found, written where it belongs: results, documentation, record model."""

from __future__ import annotations

import json
import math
import statistics
from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import Any

from mnn_gpu import Model, evaluate, load_model, save_model
from mnn_gpu.data import bundled_mnist, split
from mnn_gpu.models.model_file import SHIPPED
from mnn_gpu.training import recipes
from scripts.benchmarks.harness import spread
from scripts.research.experiments import cost, fashion, pictures
from scripts.research.experiments.runs import GROUPS, ROOT, Run

RESULT = ROOT / "scripts" / "results" / "study.json"
CARD = SHIPPED["record"].with_name("record.md")


def write_report() -> None:
    """Gather what has been run; write all that it can be written from."""
    groups: dict[str, Any] = {
        group: [json.loads(run.result.read_text()) for run in runs if run.result.exists()]
        for group, runs in GROUPS.items()
    }
    for result in (result for group in groups.values() for result in group):
        if result["group"] != "selection":  # The only curve that is drawn.
            del result["curve"]
    for name, path in (("cost", cost.RESULT), ("fashion", fashion.RESULT)):
        groups[name] = json.loads(path.read_text()) if path.exists() else None
    RESULT.write_text(json.dumps(groups, indent=1) + "\n", encoding="utf-8")
    figures = {
        name: summary(of_name(groups["recipes"] + groups["record"], name))
        for name in recipes.RECIPES
    }
    figures = {name: found for name, found in figures.items() if found}
    recipes.MEASURED.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    runs = [run for run in GROUPS["record"] if run.name == "record" and run.result.exists()]
    if runs:
        ship(runs, of_name(groups["record"], "record"))
    pictures.deformations()
    if groups["selection"]:
        pictures.learning_curve(groups["selection"][0])
    if runs:
        pictures.mistakes(load_model("record"))


# ---- figures ---------------------------------------------------------------------------


def of_name(results: Sequence[dict[str, Any]], name: str) -> list[dict[str, Any]]:
    return [result for result in results if result["name"] == name]


def summary(results: Sequence[dict[str, Any]]) -> dict[str, Any] | None:
    """Return the figures of one recipe over its seeds; its time on the most cores tried."""
    if not results:
        return None
    first = results[0]
    cores = max(result["cores"] for result in results)
    seconds = [result["seconds"] for result in results if result["cores"] == cores]
    return {
        "seeds": len(results),
        "test_accuracy": spread([result["test"]["accuracy"] for result in results]),
        "held_out_accuracy": spread([result["held_out"]["accuracy"] for result in results]),
        "seconds": {"median": statistics.median(seconds), **spread(seconds)},
        "epochs": first["epochs"],
        "cores": cores,
        "machine": first["machine"],
        "date": first["date"],
    }


def interval(errors: int, rows: int) -> tuple[float, float]:
    """Return Wilson's 95 % interval of an error rate."""
    z, p = 1.96, errors / rows
    middle = p + z * z / (2 * rows)
    half = z * math.sqrt(p * (1 - p) / rows + z * z / (4 * rows * rows))
    return (middle - half) / (1 + z * z / rows), (middle + half) / (1 + z * z / rows)


# ---- the pages -------------------------------------------------------------------------


def section(groups: dict[str, Any]) -> str:
    """Return the section on accuracy."""
    parts = [recipe_table(groups["recipes"] + groups["record"])]
    if groups["record"]:
        parts.append(
            "The [card](../models/record.md) of the included `record` model describes how it was "
            "trained. All test digits that it misclassifies, with label and prediction:\n\n"
            "![Misclassified digits](../../scripts/results/mistakes.png)"
        )
    if groups["selection"]:
        watched = groups["selection"][0]["held_out"]
        parts.append(
            f"The learning curve of `record` on {watched['rows']:,} rows held out of the training "
            f"set, of which it misclassifies {watched['errors']} at the end:\n\n"
            "![Learning curve](../../scripts/results/learning-curve.png)"
        )
    if groups["ablations"]:
        parts.append(ablation_table(groups["ablations"]))
    if groups["fashion"]:
        parts.append(fashion_text(groups["fashion"]))
    if groups["cost"]:
        parts.append(cost_text(groups["cost"]))
    return "\n\n".join(parts)


def front_section(groups: dict[str, Any]) -> str:
    """Return the front page's table: the named recipes."""
    named = [run for run in groups["recipes"] + groups["record"] if run["name"] in recipes.RECIPES]
    return recipe_table(named)


def recipe_table(results: Sequence[dict[str, Any]]) -> str:
    """Return the table of recipes: accuracy, spread, time."""
    lines = [
        "| recipe | network | epochs | test accuracy | over seeds | training time |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for name in dict.fromkeys(result["name"] for result in results):
        some = of_name(results, name)
        found = summary(some)
        if found is None:
            continue
        accuracy, config = found["test_accuracy"], some[0]["config"]
        shown = f"`{name}`" if name in recipes.RECIPES else f"`record`, {name}"
        lines.append(
            f"| {shown} | 784-{'-'.join(map(str, config['hidden']))}-10 | {found['epochs']} "
            f"| **{percent(accuracy['mean'])}** "
            f"| {percent(accuracy['min'])} to {percent(accuracy['max'])}, "
            f"{counted(found['seeds'], 'seed')} | {time_of(found['seconds']['median'])} "
            f"on {counted(found['cores'], 'core')} |"
        )
    return "\n".join(lines)


def percent(share: float, digits: int = 2) -> str:
    return f"{share * 100:.{digits}f}%"


def counted(number: int, name: str) -> str:
    return f"{number} {name}" + ("" if number == 1 else "s")


def time_of(seconds: float) -> str:
    return f"{seconds:.1f} s" if seconds < 100 else f"{seconds / 60:.0f} min"


def ablation_table(results: Sequence[dict[str, Any]]) -> str:
    """Return what each ingredient is worth: errors on held-out rows, with and without."""
    names = list(dict.fromkeys(result["name"] for result in results))
    rows = results[0]["held_out"]["rows"]
    lines = [
        f"Ablation of `accurate`: errors on {rows:,} rows held out of the training set, the mean "
        "over seeds, and in brackets each seed's (each with its own split).",
        "",
        "| | errors | held-out error |",
        "| --- | --- | --- |",
    ]
    for name in names:
        errors = [result["held_out"]["errors"] for result in of_name(results, name)]
        mean = statistics.mean(errors)
        each = ", ".join(map(str, errors))
        lines.append(f"| {name} | {mean:.0f} ({each}) | {percent(mean / rows)} |")
    return "\n".join(lines)


def fashion_text(found: dict[str, Any]) -> str:
    """Return how the recipe does on data that it was not chosen on."""
    told = []
    for name in ("mnn_gpu", "scikit-learn"):
        accuracy = spread([run["accuracy"] for run in found[name]])
        seconds = statistics.median(run["seconds"] for run in found[name])
        told.append(
            f"{percent(accuracy['mean'])} "
            f"({percent(accuracy['min'])} to {percent(accuracy['max'])}) "
            f"in {time_of(seconds)}"
        )
    return (
        f"Nothing in `accurate` was chosen for Fashion-MNIST. It reaches {told[0]} there; "
        f"scikit-learn's `MLPClassifier` of the same size with default settings {told[1]} "
        f"({len(found['mnn_gpu'])} seeds each on {counted(found['cores'], 'core')}, "
        f"{found['rows']:,} rows to train and {found['test_rows']:,} to test: {found['source']})."
    )


def cost_text(found: dict[str, Any]) -> str:
    """Return what deforming costs."""
    parts = [
        f"{percent(sizes['cost'], 0)} of a step of 784-1000-500-10 on a batch of {batch_size} "
        f"({sizes['deformed_ms']:.1f} instead of {sizes['step_ms']:.1f} ms)"
        for batch_size, sizes in found.items()
    ]
    return f"Deforming the images costs {' and '.join(parts)}, random numbers included."


# ---- the record model ------------------------------------------------------------------


def ship(runs: Sequence[Run], results: Sequence[dict[str, Any]]) -> None:
    """Put the model with the best held-out rows into the package, and write its card."""
    best = max(
        range(len(runs)),
        key=lambda i: (results[i]["held_out"]["accuracy"], -results[i]["held_out"]["loss"]),
    )
    run, model = runs[best], load_model(runs[best].model)
    told = {**model.info, "test_accuracy": results[best]["test"]["accuracy"]}
    model = replace(model, info=told)
    SHIPPED["record"].parent.mkdir(exist_ok=True)
    save_model(SHIPPED["record"], model, dtype="float16")
    half = load_model("record")
    scores = {name: scores_of(kept, run) for name, kept in (("whole", model), ("half", half))}
    if scores["whole"]["held_out"]["errors"] != scores["half"]["held_out"]["errors"]:
        save_model(SHIPPED["record"], model)
    CARD.write_text(card(results, best, scores), encoding="utf-8")


def scores_of(model: Model, run: Run) -> dict[str, Any]:
    """Return how a model does on its training and on its held-out rows."""
    parts = split(bundled_mnist("train"), run.holdout, run.config.seed, run.rows)
    return {
        name: asdict(evaluate(model, part.X, part.labels()))
        for name, part in zip(("training", "held_out"), parts, strict=True)
    }


def card(results: Sequence[dict[str, Any]], best: int, scores: dict[str, Any]) -> str:
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
    hidden = "-".join(map(str, config["hidden"]))
    half, whole = scores["half"], scores["whole"]
    lines = [
        "# The record model",
        "",
        f"784-{hidden}-10: two hidden ReLU layers and a softmax, trained from scratch by this "
        "package on MNIST alone. `mnn-gpu evaluate record`, `mnn-gpu predict record IMAGES` and "
        '`mnn_gpu.load_model("record")` use it.',
        "",
        f"- Test error: {test['errors']} of {test['rows']:,}, "
        f"{percent(test['errors'] / test['rows'])} (95 % interval {percent(low)} to "
        f"{percent(high)}, Wilson). A single model, no averaging of several "
        "images or networks.",
        "- Seeds and their test errors: "
        + ", ".join(f"{r['seed']}: {r['test']['errors']}" for r in results)
        + f"; mean accuracy {percent(statistics.mean(r['test']['accuracy'] for r in results), 3)}.",
        f"- Chosen: seed {chosen['seed']}, for the best accuracy on the "
        f"{chosen['held_out']['rows']:,} rows held out of its training set "
        f"({counted(chosen['held_out']['errors'], 'error')}). The recipe itself was chosen on "
        "10,000 rows held out; the test set was read once for each seed's final model.",
        f"- Trained on {chosen['rows']:,} rows for {chosen['epochs']} epochs, "
        f"{chosen['seconds'] / 60:.0f} minutes on {counted(chosen['cores'], 'core')} of "
        f"{chosen['machine']}, {chosen['date']}.",
        f"- Stored as float16: {half['held_out']['errors']} held-out and "
        f"{half['training']['errors']} training errors, against "
        f"{whole['held_out']['errors']} and {whole['training']['errors']} in float32.",
        "",
        "Recipe (`train --recipe record`), where it differs from the notebook's:",
        "",
        "| field | value |",
        "| --- | --- |",
        *(f"| {name} | {value} |" for name, value in fields.items()),
        *(f"| augmentation.{name} | {value} |" for name, value in config["augmentation"].items()),
        "",
        "It knows the digits of MNIST: centred by mass, grey on black, 28 x 28. Other handwriting, "
        "or anything that is no digit, gets a digit and a probability all the same. MNIST is by "
        "Yann LeCun, Corinna Cortes and Christopher J. C. Burges, CC BY-SA 3.0.",
    ]
    return "\n".join(lines) + "\n"
