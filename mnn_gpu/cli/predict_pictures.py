"""`mnn-gpu predict` for pictures of handwriting: photographs, scans, drawings."""

from __future__ import annotations

import argparse
import csv
import io
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mnn_gpu.cli.options import chosen_backend, print_json
from mnn_gpu.errors import DataError, UsageError

if TYPE_CHECKING:
    from mnn_gpu import Model


def meant(args: argparse.Namespace) -> bool:
    """Tell whether pictures are meant: several files, one named like a picture, or a sheet."""
    from mnn_gpu.handwriting.decode import SUFFIXES

    return (
        len(args.images) > 1
        or args.show is not None
        or Path(args.images[0]).suffix.lower() in SUFFIXES
    )


def run(args: argparse.Namespace) -> int:
    """Predict the digit on each picture; return the exit code."""
    import numpy as np

    from mnn_gpu import load_model, predict_proba, prepare_digit
    from mnn_gpu.output_file import check_writable, write_atomically

    for name in ("label_column", "stream"):
        if getattr(args, name) is not None:
            option = f"--{name.replace('_', '-')}"
            raise UsageError(f"{option} is for data sets.", "Leave it out for pictures.")
    model = load_model(args.model)
    _check_inputs(model)
    for path in filter(None, (args.output, args.show)):
        check_writable(path)
    backend = chosen_backend(args)
    paths = [Path(name) for name in args.images]
    digits = np.stack([prepare_digit(path) for path in paths])
    probabilities = predict_proba(model, digits, backend)
    labels = model.classes[probabilities.argmax(axis=1)].tolist()
    best = probabilities.max(axis=1).tolist()
    if args.show is not None:
        from mnn_gpu.handwriting.sheet import sheet

        answers = [f"{label}  {p:.1%}" for label, p in zip(labels, best, strict=True)]
        write_atomically(args.show, sheet(paths, digits, answers))
    if args.output:
        write_atomically(args.output, _csv(args.images, labels, best))
    if args.json:
        print_json(_result(args, model, labels, probabilities))
    elif not args.output:
        print(_table(args.images, labels, best), end="")
    return 0


def _check_inputs(model: Model) -> None:
    if model.features != 784:
        raise DataError(
            f"The model takes images of {model.features} pixels; pictures become 28 x 28.",
            "Take a model that was trained on 28 x 28 pixels, as MNIST's are, such as record.",
        )


def _table(names: Sequence[str], labels: Sequence[int], best: Sequence[float]) -> str:
    wide = max(map(len, names))
    digits = max(len(str(label)) for label in labels)
    return "".join(
        f"{name:{wide}}  {label:>{digits}}  {p:6.1%}\n"
        for name, label, p in zip(names, labels, best, strict=True)
    )


def _csv(names: Sequence[str], labels: Sequence[int], best: Sequence[float]) -> bytes:
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["File", "Label", "Probability"])
    writer.writerows(
        (n, label, f"{p:.6f}") for n, label, p in zip(names, labels, best, strict=True)
    )
    return text.getvalue().encode(errors="surrogateescape")


def _result(
    args: argparse.Namespace, model: Model, labels: Sequence[int], probabilities: Any
) -> dict[str, Any]:
    """Return the answers and, by label, all probabilities."""
    pictures = [
        {
            "file": name,
            "label": label,
            "probability": max(row),
            "probabilities": dict(zip(map(str, model.classes.tolist()), row, strict=True)),
        }
        for name, label, row in zip(args.images, labels, probabilities.tolist(), strict=True)
    ]
    return {"model": str(args.model), "pictures": pictures}
