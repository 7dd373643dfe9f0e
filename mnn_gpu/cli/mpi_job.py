"""A command that several ranks execute: only one prints, and all end when one fails."""

from __future__ import annotations

import argparse
import os
import platform
import signal
import sys
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, TextIO

from mnn_gpu.distributed.launcher import Launch, launched
from mnn_gpu.utils.console import say
from mnn_gpu.utils.signals import SIGNALS, raise_on_signals

if TYPE_CHECKING:
    from mnn_gpu.distributed.process_group import ProcessGroup

STAGGER = 0.5
"""Seconds that each rank waits for lower ranks, so that only the first one prints a common error.
"""
LONGEST = 2.0
HEARD = 0.1
"""Seconds for a busy launcher to read the output; it discards the rest when all ranks end."""


class Job:
    """The part of this process in a job, or all of it if no launcher started it.

    From creation on, all ranks but the first print nothing but their errors.
    """

    def __init__(self) -> None:
        self.launch: Launch | None = launched()
        self.stderr: TextIO | None = sys.stderr
        self.ranks: ProcessGroup | None = None
        if not self.is_first:
            sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123, SIM115
            sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123, SIM115

    @property
    def is_first(self) -> bool:
        return self.launch is None or self.launch.rank == 0

    def connect(self) -> ProcessGroup:
        """Return the ranks of the job, or this process alone; or raise a LaunchError."""
        if self.ranks is not None:
            return self.ranks
        if self.launch is None:
            from mnn_gpu.distributed.process_group import ProcessGroup

            self.ranks = ProcessGroup()
        else:
            from mnn_gpu.distributed.mpi_start import world

            comm = world(self.launch)
            from mnn_gpu.distributed.mpi import MpiGroup

            self.ranks = MpiGroup(comm)
            # Not earlier: from here on, an exception ends the job; see `fail`.
            raise_on_signals()
        return self.ranks

    def parsed(
        self, parser: argparse.ArgumentParser, argv: Sequence[str] | None
    ) -> argparse.Namespace:
        """Return the options, after comparing them between ranks; see `agreed`."""
        if self.launch is None:
            return parser.parse_args(argv)
        from mnn_gpu.cli.agreed import agreed

        return agreed(parser, argv, self.connect())

    def fail(self, message: str, code: int) -> None:
        """Print why this rank failed, and end the others, which may be waiting for it.

        The message is empty if another rank prints the error; the code is that of the job.
        """
        if self.launch is None:
            say(message)
            return
        # Otherwise another signal would leave the other ranks waiting for this one.
        for number in SIGNALS:
            signal.signal(number, signal.SIG_IGN)
        if not message:
            time.sleep(2 * LONGEST)
        elif not self.is_first:
            time.sleep(min(STAGGER * self.launch.rank, LONGEST))
            sys.stderr = self.stderr
            message = f"rank {self.launch.rank} on {platform.node()}: {message}"
        if message and (self.is_first or self.ranks is not None):
            say(message)
            time.sleep(HEARD)
        if self.ranks is not None:
            self.ranks.abort(code)
