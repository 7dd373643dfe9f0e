"""The options of `train`."""

from __future__ import annotations

import argparse
from pathlib import Path

from mnn_gpu.cli.data import add_data, add_stream
from mnn_gpu.cli.options import add_device, add_force, add_json
from mnn_gpu.cli.paths import output_path
from mnn_gpu.cli.recipe_options import add_recipe, add_setting
from mnn_gpu.training.settings import DEVICE, OUTPUT


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    data = parser.add_argument_group("data")
    add_data(data, "MNIST")
    data.add_argument(
        "--rows",
        type=int,
        metavar="N",
        help="use only N rows (default: all; 42,000 of MNIST, as in the notebook)",
    )
    data.add_argument(
        "--holdout",
        type=int,
        metavar="N",
        help="hold out N rows for validation (default: a tenth, at most 1000)",
    )
    add_stream(data)
    add_recipe(parser)
    device = parser.add_argument_group("device")
    add_device(device)
    for name, setting in DEVICE.items():
        add_setting(device, name, setting)
    output = parser.add_argument_group("output")
    output.add_argument(
        "--out",
        type=output_path,
        default=Path("model.safetensors"),
        metavar="MODEL",
        help="where to save the model (default: %(default)s)",
    )
    add_force(output)
    for name, setting in OUTPUT.items():
        add_setting(output, name, setting)
    output.add_argument("-q", "--quiet", action="store_true", help="show no progress")
    output.add_argument(
        "--checkpoint",
        metavar="FOLDER",
        help="keep the last two states of the run in this folder",
    )
    output.add_argument(
        "--checkpoint-every",
        metavar="N|TIME",
        help="save a state after every N iterations, or every 30s, 10m, 1.5h",
    )
    output.add_argument(
        "--resume",
        action="store_true",
        help="continue from the checkpoint, if there is one",
    )
    output.add_argument(
        "--dry-run",
        action="store_true",
        help="estimate time and memory on each device; write nothing",
    )
    add_json(output)
