"""`mnn-gpu export`: write a model for another program."""

from __future__ import annotations

import argparse

from mnn_gpu.cli.options import add_force, add_json, add_model, print_json
from mnn_gpu.cli.paths import output_path
from mnn_gpu.utils.console import show

SUMMARY = "write a model for another program"
DESCRIPTION = """\
Write a model for another program. The ending of FILE determines the format:
  .html         a web page to draw digits on, with live predictions; needs no
                server or network (for models of 28 x 28 pixels)
  .npz          NumPy: arrays W1, b1, W2, ... in the shapes of the formulas
  .onnx         onnxruntime, OpenCV and others: takes pixels, returns
                probabilities and label (needs the extra onnx)
  .safetensors  PyTorch: net.load_state_dict(safetensors.torch.load_file(FILE))
                loads it into a Sequential of Linear, ReLU, ..., Linear"""
EPILOG = """\
examples:
  mnn-gpu export record record.onnx --dtype float16
  mnn-gpu export record page.html
  mnn-gpu export model.safetensors model.npz"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    add_model(parser)
    parser.add_argument("file", type=output_path, metavar="FILE", help="the file to write")
    parser.add_argument(
        "--dtype",
        choices=["float16", "float32", "float64"],
        help="data type of the stored parameters; float16 halves the file and keeps three digits "
        "(default: float16 in .html, float32 in .onnx, else the model's; record has "
        "float32)",
    )
    add_force(parser)
    add_json(parser)


def run(args: argparse.Namespace) -> int:
    """Export according to the options; return the exit code."""
    from mnn_gpu import load_model
    from mnn_gpu.data.overwriting import check_not_input
    from mnn_gpu.interop.export import check_replaceable, writer_for
    from mnn_gpu.models.model_file import path_of_model
    from mnn_gpu.storage.atomic_write import check_writable

    write = writer_for(args.file)
    check_not_input(args.file, [path_of_model(args.model)])
    check_replaceable(args.file, args.force)
    model = load_model(args.model)
    check_writable(args.file)
    write(args.file, model, dtype=args.dtype)
    size = args.file.stat().st_size
    if args.json:
        print_json(
            {
                "model": str(args.model),
                "file": str(args.file),
                "layer_sizes": list(model.layer_sizes),
                "bytes": size,
            }
        )
    else:
        network = "-".join(map(str, model.layer_sizes))
        show(f"{args.model} ({network}) exported to {args.file}, {size:,} bytes")
    return 0
