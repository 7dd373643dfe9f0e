"""`mnn-gpu devices`: what there is to train on, and why not."""

from __future__ import annotations

import argparse

from mnn_gpu.cli.options import add_json, print_json

SUMMARY = "report what there is to train on, and cures for what fails"
DESCRIPTION = "Probe CuPy and every GPU stage by stage and report what works, or cause and cure."
EPILOG = ""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    add_json(parser)


def run(args: argparse.Namespace) -> int:
    """Print the report; return the exit code."""
    from mnn_gpu import diagnose

    report = diagnose()
    print_json(report.as_dict()) if args.json else print(report)
    return 0
