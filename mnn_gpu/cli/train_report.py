"""The result of `train`, as JSON or as text."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mnn_gpu import History, Model
    from mnn_gpu.backends import Backend


def report_of(
    args: argparse.Namespace, model: Model, history: History, backend: Backend
) -> dict[str, Any]:
    """Return the result as `--json` prints it."""
    from dataclasses import asdict

    return {
        "model": str(args.out),
        "layer_sizes": list(model.layer_sizes),
        "pixel_max": model.pixel_max,
        "device": backend.device,
        "backend": backend.name,
        "ranks": args.ranks.size,
        "iterations": history.iterations,
        "seconds": history.seconds,
        "training": asdict(history.training),
        "held_out": history.validation and asdict(history.validation),
        "best": history.best and asdict(history.best),
        "recipe": dict(model.info["recipe"]),
        "history": [asdict(record) for record in history.records],
    }


def text_of(report: dict[str, Any]) -> str:
    """Return the lines that are printed without `--json`."""
    sizes = "-".join(str(size) for size in report["layer_sizes"])
    iterations, seconds = report["iterations"], report["seconds"]
    lines = [
        f"{sizes} on {place_of(report['device'], report['backend'], report['ranks'])}: "
        f"{iterations:,} iterations in "
        f"{seconds:.1f} s ({seconds / max(iterations, 1) * 1e3:.2f} ms each)"
    ]
    for name, key in (("training", "training"), ("held-out", "held_out")):
        scores = report[key]
        if scores:
            lines.append(
                f"{name} accuracy  {scores['accuracy']:6.2%}  loss {scores['loss']:.4f}  "
                f"({scores['rows']:,} rows)"
            )
    if report["pixel_max"] != 255:
        lines.append(f"pixels from 0 to {report['pixel_max']:g} (see --pixel-max)")
    if report["best"]:
        lines.append(
            f"best held-out accuracy after iteration {report['best']['iteration']:,}, whose "
            "parameters are used"
        )
    return "\n".join([*lines, f"model saved to {report['model']}"])


def place_of(device: str, library: str, ranks: int) -> str:
    """Return where a run computes, as text."""
    place = f"{device} ({library})"
    return place if ranks == 1 else f"{ranks} ranks, the first on {place}"
