"""The options of several ranks: parsed on all of them, compared, and rejected if they differ."""

from __future__ import annotations

import argparse
import io
import sys
from collections.abc import Sequence
from contextlib import redirect_stderr
from typing import TYPE_CHECKING

from mnn_gpu.errors import UsageError

if TYPE_CHECKING:
    from mnn_gpu.distributed.process_group import ProcessGroup

FREE = ("quiet", "json", "device", "data", "images", "model", "command")
"""Options that may differ. File contents are compared later; paths may differ between machines.
The command is compared by its name."""


def agreed(
    parser: argparse.ArgumentParser, argv: Sequence[str] | None, ranks: ProcessGroup
) -> argparse.Namespace:
    """Return the options, after checking that they are the same on all ranks.

    Raises
    ------
    UsageError
        If a rank's options are invalid, or differ from the others'.
    SystemExit
        If help or version was requested on all ranks.
    """
    from mnn_gpu.distributed.agreement import check_same

    found = ranks.on_all_ranks(lambda: _parsed(parser, argv))
    if found is None:
        check_same(ranks, "--help or --version", {})
        sys.exit(0)
    options = {f"--{k.replace('_', '-')}": v for k, v in vars(found).items() if k not in FREE}
    check_same(ranks, found.command.__name__.rpartition(".")[2], options)
    return found


def _parsed(
    parser: argparse.ArgumentParser, argv: Sequence[str] | None
) -> argparse.Namespace | None:
    """Return the options, or None if they request the help or the version, which are printed."""
    stderr = io.StringIO()
    try:
        with redirect_stderr(stderr):
            return parser.parse_args(argv)
    except SystemExit as stop:
        if not stop.code:
            return None
        cause = stderr.getvalue().strip().rpartition("error: ")[2]
        raise UsageError(f"{cause}", f"{parser.prog} --help lists the options.") from None
