"""`mnn-gpu check-gradients`: compare the gradients with finite differences."""

from __future__ import annotations

import argparse

from mnn_gpu.cli.options import add_json, print_json
from mnn_gpu.utils.console import show

SUMMARY = "compare the formulas' gradients with central differences"
DESCRIPTION = """\
Compare the gradient that the formulas give for every layer with central
differences of the loss, (loss(theta + h) - loss(theta - h)) / 2h, in float64.
Exits with 1 if they differ."""
EPILOG = ""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument(
        "--hidden",
        type=int,
        nargs="*",
        default=[10, 10],
        metavar="UNITS",
        help="units of each hidden layer (default: 10 10)",
    )
    for name, default, text in (
        ("features", 784, "inputs of the network"),
        ("classes", 10, "outputs of the network"),
        ("samples", 20, "random samples in the batch"),
        ("entries", 200, "entries to compare of each array, chosen at random"),
        ("seed", 0, "seed of parameters, samples and entries"),
    ):
        parser.add_argument(
            f"--{name}", type=int, default=default, metavar="N", help=f"{text} (default: {default})"
        )
    add_json(parser)


def run(args: argparse.Namespace) -> int:
    """Run and print the comparison; return 0 if all gradients agree, else 1."""
    from mnn_gpu import check_gradients

    sizes = (args.features, *args.hidden, args.classes)
    checks = check_gradients(sizes, samples=args.samples, entries=args.entries, seed=args.seed)
    verdicts = {check.verdict for check in checks}
    code = int("differs" in verdicts)
    if args.json:
        rows = [
            {**vars(check), "digits": check.digits, "verdict": check.verdict} for check in checks
        ]
        print_json({"layer_sizes": list(sizes), "agree": not code, "checks": rows})
        return code
    show(f"{'-'.join(map(str, sizes))}, {args.samples} random samples, float64, h = 1e-05\n")
    show("gradient  compared  left out  relative difference  digits  verdict")
    for check in checks:
        show(
            f"{check.name:8}  {check.entries:8}  {check.left_out:8}  "
            f"{check.relative_error:19.1e}  {check.digits:6.1f}  {check.verdict}"
        )
    show("")
    compared = [check.digits for check in checks if check.verdict == "agrees"]
    if code:
        show("Where they differ, the formulas' gradient is not the slope of the loss.")
    elif compared:
        digits = f"to {min(compared):.0f} digits or more"
        show(f"The formulas' gradient is the slope of the loss, {digits}.")
    if "nothing to compare" in verdicts:
        show("Nothing to compare: the gradient is 0 behind units that are inactive for all")
        show("samples, or every step crossed a kink. Use another --seed or fewer --samples.")
    if any(check.left_out for check in checks):
        show("Left out: steps across the kink of a ReLU, where the slope is not defined.")
    return code
