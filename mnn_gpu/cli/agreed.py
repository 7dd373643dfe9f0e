"""The options of a job's ranks: parsed by all, compared, and refused by all if they differ."""

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

FREE = ("quiet", "json", "device", "data", "images", "model", "run", "is_shared", "program")
"""Options that may differ. What the files hold is compared later; machines may name them
differently."""


def agreed(
    parser: argparse.ArgumentParser, argv: Sequence[str] | None, ranks: ProcessGroup
) -> argparse.Namespace:
    """Return the options, which are those of all ranks.

    Raises
    ------
    UsageError
        If a rank's options are wrong, or not those of the others.
    SystemExit
        If all ranks were asked for the help or the version.
    """
    from mnn_gpu.distributed.agreement import check_same

    found = ranks.on_all_ranks(lambda: _parsed(parser, argv))
    if found is None:
        check_same(ranks, "--help or --version", {})
        sys.exit(0)
    options = {f"--{k.replace('_', '-')}": v for k, v in vars(found).items() if k not in FREE}
    check_same(ranks, str(found.run.__module__.rpartition(".")[2]), options)
    return found


def _parsed(
    parser: argparse.ArgumentParser, argv: Sequence[str] | None
) -> argparse.Namespace | None:
    """Return the options, None if they ask for the help or the version, which are printed."""
    said = io.StringIO()
    try:
        with redirect_stderr(said):
            return parser.parse_args(argv)
    except SystemExit as stop:
        if not stop.code:
            return None
        cause = said.getvalue().strip().rpartition("error: ")[2]
        raise UsageError(f"{cause}", f"{parser.prog} --help lists the options.") from None
