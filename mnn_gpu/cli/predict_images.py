"""`mnn-gpu predict` for images of handwriting: photographs, scans, drawings."""

from __future__ import annotations

import argparse
import io
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mnn_gpu.cli.options import print_json
from mnn_gpu.errors import DataError, UsageError
from mnn_gpu.storage.file_kind import is_image
from mnn_gpu.utils.console import flush_stdout, say, show

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from mnn_gpu import Model
    from mnn_gpu.backends import Backend


def are_images(args: argparse.Namespace) -> bool:
    """Return whether images are given: several files, one with an image's ending, or --show."""
    return len(args.images) > 1 or args.show is not None or is_image(Path(args.images[0]))


def run(args: argparse.Namespace) -> int:
    """Predict the digit in each image; return the exit code.

    Images that cannot be read are reported after the predictions for the others.
    """
    from mnn_gpu import load_model, prepare_digit, select_backend

    for name in ("label_column", "keep_columns", "stream", "transpose"):
        if getattr(args, name) is not None:
            option = f"--{name.replace('_', '-')}"
            raise UsageError(f"{option} is for data sets.", "Leave it out for images.")
    check_csv_output(args)
    _check_sheet(args)
    model = load_model(args.model)
    _check_inputs(model)
    backend = select_backend(args.device, args.backend)
    digits: list[tuple[str, npt.NDArray[np.uint8]]] = []
    failures: list[tuple[str, DataError]] = []
    for name in args.images:
        try:
            digits.append((name, prepare_digit(name)))
        except DataError as error:
            failures.append((name, error))
    _predict(args, model, backend, digits, failures)
    for _, failure in failures:
        say(f"error: {failure.cause}\ncure: {failure.cure}")
    if failures and len(args.images) > 1:
        count = f"{len(failures)} of {len(args.images)} images"
        say(f"error: {count} could not be read.")
    return DataError.exit_code if failures else 0


def _predict(
    args: argparse.Namespace,
    model: Model,
    backend: Backend,
    digits: Sequence[tuple[str, npt.NDArray[np.uint8]]],
    failures: Sequence[tuple[str, DataError]],
) -> None:
    """Predict the images that could be read, and print or save the predictions."""
    import numpy as np

    from mnn_gpu import predict_proba
    from mnn_gpu.storage.atomic_write import compressed_for, write_atomically

    names, X = [name for name, _ in digits], np.array([digit for _, digit in digits])
    # Gray levels from 0 to 1, since the model's pixels may have another scale.
    inputs = X if model.pixel_max == 255 else X / np.float32(255)
    probabilities = predict_proba(model, inputs, backend) if names else np.zeros((0, 1))
    labels = model.classes[probabilities.argmax(axis=1)].tolist()
    best = probabilities.max(axis=1).tolist()
    if args.show is not None and names:
        from mnn_gpu.handwriting.sheet import sheet

        answers = [f"{label}  {p:.1%}" for label, p in zip(labels, best, strict=True)]
        write_atomically(args.show, sheet(list(map(Path, names)), X, answers))
    if args.output and names:
        write_atomically(args.output, compressed_for(args.output, [_csv(names, labels, best)]))
    if args.json:
        print_json(
            {
                "model": str(args.model),
                "pictures": _predictions(names, model, labels, probabilities),
                "failures": [
                    {"file": name, "error": error.cause, "cure": error.cure}
                    for name, error in failures
                ],
            }
        )
    elif not args.output and names:
        show(_table(names, labels, best), end="")
        flush_stdout()


def check_csv_output(args: argparse.Namespace) -> None:
    """Check that the predictions can be written to ``--output``, if it is given."""
    from mnn_gpu.data.overwriting import check_output
    from mnn_gpu.models.model_file import path_of_model

    if args.output is not None:
        check_output(
            args.output,
            [path_of_model(args.model), *args.images],
            writes="predictions are written as CSV",
            endings=(".csv", ".gz", ".txt"),
        )


def _check_sheet(args: argparse.Namespace) -> None:
    from mnn_gpu.data.overwriting import check_output
    from mnn_gpu.models.model_file import path_of_model

    if args.show is None:
        return
    check_output(
        args.show,
        [path_of_model(args.model), *args.images],
        writes="the sheet is written as PNG",
        endings=(".png",),
    )
    if args.output and os.path.realpath(args.show) == os.path.realpath(args.output):
        raise UsageError("--show and --output are one file.", "Give them different names.")


def _check_inputs(model: Model) -> None:
    if model.features != 784:
        raise DataError(
            f"The model takes images of {model.features} pixels, but these become 28 x 28.",
            "Use a model that was trained on 28 x 28 pixels, as in MNIST, such as record.",
        )


def _table(names: Sequence[str], labels: Sequence[int], best: Sequence[float]) -> str:
    wide = max(map(len, names))
    digits = max(len(str(label)) for label in labels)
    return "".join(
        f"{name:{wide}}  {label:>{digits}}  {p:6.1%}\n"
        for name, label, p in zip(names, labels, best, strict=True)
    )


def _csv(names: Sequence[str], labels: Sequence[int], best: Sequence[float]) -> bytes:
    import csv

    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["File", "Label", "Probability"])
    writer.writerows(
        (n, label, f"{p:.6f}") for n, label, p in zip(names, labels, best, strict=True)
    )
    return text.getvalue().encode(errors=sys.getfilesystemencodeerrors())


def _predictions(
    names: Sequence[str], model: Model, labels: Sequence[int], probabilities: Any
) -> list[dict[str, Any]]:
    """Return the predictions with the probabilities of all classes."""
    return [
        {
            "file": name,
            "label": label,
            "probability": max(row),
            "probabilities": dict(zip(map(str, model.classes.tolist()), row, strict=True)),
        }
        for name, label, row in zip(names, labels, probabilities.tolist(), strict=True)
    ]
