"""`mnn-gpu plot`: plots of a model, its training and its mistakes."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mnn_gpu.cli.data import add_data, load_data
from mnn_gpu.cli.options import add_device, add_model
from mnn_gpu.cli.paths import output_path
from mnn_gpu.utils.console import show

if TYPE_CHECKING:
    from mnn_gpu import Model

SUMMARY = "draw a model's training, mistakes, weights or calibration"
DESCRIPTION = """\
Draw a plot of a model, as .png, .svg or .pdf. Needs the extra plots:
pip install "mnn_gpu[plots]"."""
EPILOG = """\
examples:
  mnn-gpu plot history model.safetensors
  mnn-gpu plot mistakes record --most 24 -o mistakes.svg
  mnn-gpu plot confusion record --theme dark
  mnn-gpu plot weights --help"""

PLOTS = {
    "history": "loss and accuracy during training",
    "confusion": "which classes the model confuses",
    "mistakes": "misclassified images, the most confident first",
    "weights": "the weights of the first layer as images",
    "augmentation": "images and deformed copies of them, as in the model's training",
    "calibration": "accuracy at each confidence",
}
WITH_ANSWERS = ("confusion", "mistakes", "calibration")
WITH_IMAGES = ("mistakes", "weights", "augmentation")
WITH_MOST = ("mistakes", "weights")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options, plot by plot."""
    plots = parser.add_subparsers(metavar="PLOT", dest="plot", required=True)
    for name, summary in PLOTS.items():
        _add_plot(plots.add_parser(name, help=summary, description=f"Draw {summary}."), name)


def _add_plot(parser: argparse.ArgumentParser, name: str) -> None:
    add_model(parser)
    parser.add_argument(
        "-o",
        "--output",
        type=output_path,
        default=Path(f"{name}.png"),
        metavar="FILE",
        help="file to write, as .png, .svg or .pdf (default: %(default)s)",
    )
    parser.add_argument(
        "--theme",
        choices=["light", "dark"],
        default="light",
        help="colors (default: %(default)s)",
    )
    if name in WITH_MOST:
        parser.add_argument(
            "--most",
            type=int,
            default=40,
            metavar="N",
            help="draw at most N images (default: %(default)s)",
        )
    if name == "confusion":
        parser.add_argument(
            "--shares", action="store_true", help="show percentages of each class instead of counts"
        )
    if name == "augmentation":
        parser.add_argument(
            "--copies",
            type=int,
            default=6,
            metavar="N",
            help="deformed versions of each image (default: %(default)s)",
        )
        parser.add_argument(
            "--seed", type=int, default=0, metavar="N", help="seed of the deformations (default: 0)"
        )
    if name in WITH_IMAGES:
        parser.add_argument(
            "--image-shape",
            type=int,
            nargs=2,
            metavar=("HEIGHT", "WIDTH"),
            help="size of the images (default: the recipe's, else the data's, else square)",
        )
    if name in WITH_ANSWERS:
        add_data(parser, "the 10,000 test images of the bundled MNIST")
        add_device(parser)
    elif name == "augmentation":
        add_data(parser, "the training images of the bundled MNIST")


def run(args: argparse.Namespace) -> int:
    """Draw according to the options; return the exit code."""
    from mnn_gpu import load_model, plots
    from mnn_gpu.data.overwriting import check_not_input
    from mnn_gpu.models.model_file import path_of_model
    from mnn_gpu.plots.figure import check_plot_file

    check_not_input(args.output, [path_of_model(args.model), *(getattr(args, "data", None) or ())])
    check_plot_file(args.output)
    model = load_model(args.model)
    figure = getattr(plots, args.plot)(*_given(args, model), **_options(args))
    plots.save(args.output, figure)
    show(f"plot saved to {args.output}")
    return 0


def _given(args: argparse.Namespace, model: Model) -> tuple[Any, ...]:
    """Return the model and, if the plot needs data too, the data."""
    from mnn_gpu.data.feature_order import in_order

    if not hasattr(args, "data"):
        return (model,)
    data = load_data(args, args.data, "train" if args.plot == "augmentation" else "test", model)
    shape = (data.image_shape or ()) if args.plot in WITH_IMAGES else ()
    args.source = data.source
    X = in_order(data, model.feature_names, data.source)
    return model, X.reshape(len(data), *shape) if shape else X, data.labels()


def _options(args: argparse.Namespace) -> dict[str, Any]:
    from mnn_gpu import select_backend

    names = ("theme", "most", "shares", "copies", "seed", "image_shape")
    options = {name: getattr(args, name) for name in names if hasattr(args, name)}
    if args.plot in WITH_ANSWERS:
        options |= {"backend": select_backend(args.device, args.backend), "source": args.source}
    return options
