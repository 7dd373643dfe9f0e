"""The results of the study, collected: JSON, figures in the package, plots, sections of pages."""

from __future__ import annotations

import json
import statistics
from collections.abc import Sequence
from typing import Any

from mnn_gpu import Model, load_model, plots
from mnn_gpu.data import bundled_mnist
from mnn_gpu.training import recipes
from scripts import markdown
from scripts.benchmarks.harness import RESULTS, save, spread
from scripts.research.study.card import counted, percent, ship
from scripts.research.study.runs import DEFORMED, GROUPS

FOLDER = RESULTS
COLUMNS = ("epoch", "loss", "accuracy", "validation_accuracy")
Results = Sequence[dict[str, Any]]


def write_report() -> None:
    """Collect the results of all runs; write everything that depends on them."""
    groups: dict[str, Any] = {
        group: [json.loads(run.result.read_text()) for run in runs if run.result.exists()]
        for group, runs in GROUPS.items()
    }
    for result in (result for group in groups.values() for result in group):
        if result["group"] != "selection":  # The only curve that is drawn.
            del result["curve"]
    if precision := groups.pop("precision"):
        save("precision", precision_errors(precision))
    earlier = json.loads((RESULTS / "study.json").read_text(encoding="utf-8"))
    # Measured once: its data are not in the package.
    groups["fashion"] = earlier["fashion"]
    save("study", groups)
    final = groups["recipes"] + groups["record"]
    figures = {name: summary(of_name(final, name)) for name in recipes.RECIPES}
    text = json.dumps({name: found for name, found in figures.items() if found}, indent=1)
    recipes.MEASURED.write_text(text + "\n", encoding="utf-8")
    deformations()
    if groups["selection"]:
        learning_curve(groups["selection"][0])
    runs = [run for run in GROUPS["record"] if run.name == "record" and run.result.exists()]
    if runs:
        ship(runs, of_name(groups["record"], "record"))
        mistakes(load_model("record"))


def of_name(results: Results, name: str) -> list[dict[str, Any]]:
    return [result for result in results if result["name"] == name]


def summary(results: Results) -> dict[str, Any] | None:
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


def precision_errors(results: Results) -> dict[str, Any]:
    """Return the held-out errors of each recipe with each precision, seed by seed."""
    first = results[0]
    errors: dict[str, dict[str, list[int]]] = {}
    for result in results:
        recipe, precision = result["name"].split()
        counts = errors.setdefault(recipe, {}).setdefault(precision, [])
        counts.append(result["held_out"]["errors"])
    about = {key: first[key] for key in ("date", "device", "machine")}
    return about | {"held_out_rows": first["held_out"]["rows"], "errors": errors}


# ---- plots -----------------------------------------------------------------------------


def deformations() -> None:
    """Draw the ten digits, and below each some of its deformed copies."""
    data = bundled_mnist("train")
    plots.save(FOLDER / "deformations.png", plots.augmentation(DEFORMED, data.X, data.labels()))


def learning_curve(result: dict[str, Any]) -> None:
    """Draw training and held-out accuracy, and the training's loss, over the epochs."""
    curve = dict(zip(COLUMNS, zip(*result["curve"], strict=True), strict=True))
    plots.save(FOLDER / "learning-curve.png", plots.history(curve))


def mistakes(model: Model) -> None:
    """Draw every test image that a model misreads, with the truth and its answer."""
    test = bundled_mnist("test")
    figure = plots.mistakes(model, test.X, test.labels(), most=400, source=test.source)
    plots.save(FOLDER / "mistakes.png", figure)


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
        held_out = groups["selection"][0]["held_out"]
        parts.append(
            f"The learning curve of `record` on {held_out['rows']:,} rows held out of the training "
            f"set, of which it misclassifies {held_out['errors']} at the end:\n\n"
            "![Learning curve](../../scripts/results/learning-curve.png)"
        )
    if groups["ablations"]:
        parts.append(ablation_table(groups["ablations"]))
    parts.append(fashion_text(groups["fashion"]))
    return "\n\n".join(parts)


def front_section(groups: dict[str, Any]) -> str:
    """Return the front page's table: the named recipes."""
    named = [run for run in groups["recipes"] + groups["record"] if run["name"] in recipes.RECIPES]
    return recipe_table(named)


def recipe_table(results: Results) -> str:
    """Return the table of recipes: accuracy, spread, time."""
    rows = [["recipe", "network", "epochs", "test accuracy", "over seeds", "training time"]]
    for name in dict.fromkeys(result["name"] for result in results):
        some = of_name(results, name)
        found = summary(some)
        assert found is not None
        accuracy, hidden = found["test_accuracy"], some[0]["config"]["hidden"]
        low, high = percent(accuracy["min"]), percent(accuracy["max"])
        rows.append(
            [
                f"`{name}`" if name in recipes.RECIPES else f"`record`, {name}",
                f"784-{'-'.join(map(str, hidden))}-10",
                str(found["epochs"]),
                f"**{percent(accuracy['mean'])}**",
                f"{low} to {high}, {counted(found['seeds'], 'seed')}",
                f"{time_of(found['seconds']['median'])} on {counted(found['cores'], 'core')}",
            ]
        )
    return markdown.table(rows)


def time_of(seconds: float) -> str:
    return f"{seconds:.1f} s" if seconds < 100 else f"{seconds / 60:.0f} min"


def ablation_table(results: Results) -> str:
    """Return the errors on held-out rows with and without each ingredient."""
    held_out = results[0]["held_out"]["rows"]
    rows = [["", "errors", "held-out error"]]
    for name in dict.fromkeys(result["name"] for result in results):
        errors = [result["held_out"]["errors"] for result in of_name(results, name)]
        mean = statistics.mean(errors)
        each = ", ".join(map(str, errors))
        rows.append([name, f"{mean:.0f} ({each})", percent(mean / held_out)])
    return (
        f"Ablation of `accurate`: errors on {held_out:,} rows held out of the training set, the "
        "mean over seeds, and in brackets each seed's (each with its own split).\n\n"
        + markdown.table(rows)
    )


def fashion_text(found: dict[str, Any]) -> str:
    """Return the recipe's result on data that it was not chosen on."""
    texts = []
    for name in ("mnn_gpu", "scikit-learn"):
        accuracy = spread([run["accuracy"] for run in found[name]])
        seconds = statistics.median(run["seconds"] for run in found[name])
        low, high = percent(accuracy["min"]), percent(accuracy["max"])
        texts.append(f"{percent(accuracy['mean'])} ({low} to {high}) in {time_of(seconds)}")
    return (
        f"Nothing in `accurate` was chosen for Fashion-MNIST. It reaches {texts[0]} there; "
        f"scikit-learn's `MLPClassifier` of the same size with default settings {texts[1]} "
        f"({len(found['mnn_gpu'])} seeds each on {counted(found['cores'], 'core')}, "
        f"{found['rows']:,} rows to train and {found['test_rows']:,} to test: {found['source']})."
    )
