"""`mnn-gpu devices`: report the available devices, and why others are not."""

from __future__ import annotations

import argparse

from mnn_gpu.cli.options import add_json, print_json
from mnn_gpu.utils.console import show

SUMMARY = "report which devices work, and how to fix those that do not"
DESCRIPTION = """\
Test CuPy and every GPU step by step. Report what works and, for the rest,
the cause and the cure."""
EPILOG = ""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    add_json(parser)


def run(args: argparse.Namespace) -> int:
    """Print the report; return the exit code."""
    from mnn_gpu import diagnose

    report = diagnose()
    print_json(report.as_dict()) if args.json else show(str(report))
    return 0
