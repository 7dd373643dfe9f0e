"""`mnn-gpu completion`: print a shell script that completes commands and options."""

from __future__ import annotations

import argparse

from mnn_gpu.utils.console import show

SUMMARY = "print a shell's completion script"
DESCRIPTION = """\
Print the shell script that completes commands and options (needs the extra
completion)."""
EPILOG = """\
examples:
  mnn-gpu completion bash > ~/.local/share/bash-completion/completions/mnn-gpu
  mnn-gpu completion zsh > ~/.zfunc/_mnn-gpu
  mnn-gpu completion fish > ~/.config/fish/completions/mnn-gpu.fish"""
SHELLS = ("bash", "zsh", "fish")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("shell", choices=SHELLS, help="the shell")


def run(args: argparse.Namespace) -> int:
    """Print the script; return the exit code."""
    from mnn_gpu.utils.packages import require

    shtab = require("shtab")
    show(shtab.complete(args.program(), args.shell))
    return 0
