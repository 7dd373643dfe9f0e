"""`mnn-gpu import`: convert weights trained by another program to a model."""

from __future__ import annotations

import argparse

from mnn_gpu.cli.options import add_force, add_json, check_model_output, print_json
from mnn_gpu.cli.paths import named_path, output_path
from mnn_gpu.utils.console import show

SUMMARY = "make a model from weights trained by another program"
DESCRIPTION = """\
Make a model from weights trained by another program: Linear layers with ReLU
between them and a softmax at the end. WEIGHTS contains only the layers, so the
activation is assumed to be ReLU.
  .safetensors  a PyTorch state_dict: 0.weight, 0.bias, 2.weight, ...; the
                layers are ordered by the numbers in the names
  .npz          the same names, or W1, b1, W2, b2, ... as in the formulas

Pickles (.pt, .pth, .pkl) can run code and are not read. In PyTorch, save
safetensors:
  safetensors.torch.save_file(net.state_dict(), "weights.safetensors")
For scikit-learn's MLPClassifier use Python: mnn_gpu.from_sklearn(classifier)."""
EPILOG = """\
examples:
  mnn-gpu import weights.safetensors model.safetensors
  mnn-gpu import weights.npz model.safetensors --mean 0.1307 --std 0.3081
  mnn-gpu evaluate model.safetensors"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument(
        "weights", type=named_path, metavar="WEIGHTS", help=".safetensors or .npz file"
    )
    parser.add_argument("model", type=output_path, metavar="MODEL", help="the model file to write")
    parser.add_argument(
        "--classes",
        nargs="+",
        metavar="LABEL",
        help="the class of each output (default: as in WEIGHTS, else 0 1 2 ...)",
    )
    for name, default, example in (("mean", 0.0, 0.1307), ("std", 1.0, 0.3081)):
        parser.add_argument(
            f"--{name}",
            type=float,
            default=default,
            metavar="X",
            help=f"{name} of the pixels, scaled to 0 to 1, if the network was trained on (pixels - "
            f"mean) / std; {example} for MNIST (default: {default:g})",
        )
    add_force(parser)
    add_json(parser)


def run(args: argparse.Namespace) -> int:
    """Import according to the options; return the exit code."""
    from mnn_gpu import import_model, save_model

    check_model_output(args.model, [args.weights], args.force)
    model = import_model(args.weights, classes=args.classes, mean=args.mean, std=args.std)
    save_model(args.model, model)
    classes = model.classes.tolist()
    if args.json:
        print_json(
            {
                "weights": str(args.weights),
                "model": str(args.model),
                "layer_sizes": list(model.layer_sizes),
                "dtype": str(model.theta.dtype),
                "classes": classes,
            }
        )
    else:
        network = "-".join(map(str, model.layer_sizes))
        show(
            f"{args.weights}: {network}, {model.theta.dtype}, classes {classes[0]} to "
            f"{classes[-1]}, ReLU assumed between the layers\nmodel saved to {args.model}"
        )
    return 0
