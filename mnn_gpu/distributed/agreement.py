"""Check that all ranks have the same arguments before they exchange anything else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any

from mnn_gpu.distributed.process_group import ProcessGroup
from mnn_gpu.errors import UsageError
from mnn_gpu.version import __version__

MOST_SHOWN = 5
"""Maximum number of differences in a message."""
LONGEST = 60
"""Maximum number of characters of a value in a message."""


def check_same(ranks: ProcessGroup, call: str, values: Mapping[str, object] | None = None) -> None:
    """Compare the arguments of all ranks; raise an error if they differ.

    This is the first exchange of every collective call, so that two calls are not mixed.

    Parameters
    ----------
    ranks : ProcessGroup
    call : str
        Name of the call, such as "train".
    values : mapping of name to value, optional
        Compared by their ``repr``.

    Raises
    ------
    UsageError
        On all ranks, with the differing values and the ranks that have them.
    """
    if ranks.size == 1:
        return
    own = {"call": call, "mnn_gpu version": __version__}
    own |= {name: repr(value) for name, value in (values or {}).items()}
    gathered: list[Any] = ranks.allgather(own)
    # Another version may send something else at this point.
    gathered = [value if isinstance(value, dict) else {} for value in gathered]
    names = dict.fromkeys(name for given in gathered for name in given)
    found = {name: [given.get(name, "nothing") for given in gathered] for name in names}
    different = [_difference(name, of) for name, of in found.items() if len(set(of)) > 1]
    if different:
        more = len(different) - MOST_SHOWN
        shown = different[:MOST_SHOWN] + ([f"and {more} more"] if more > 0 else [])
        raise UsageError(
            f"The ranks have different {'; '.join(shown)}.",
            "Start all ranks with the same version, options and files.",
        )


def _difference(name: str, values: Sequence[str]) -> str:
    """Return ``name: value on rank 0, another value on ranks 1-3``."""
    parts = []
    for value in dict.fromkeys(values):
        having = [rank for rank, other in enumerate(values) if other == value]
        parts.append(f"{value[:LONGEST]} on {_named(having)}")
    return f"{name}: {', '.join(parts)}"


def _named(ranks: Sequence[int]) -> str:
    """Return ``rank 1``, or ``ranks 0, 2-3`` for several."""
    runs = [
        [rank for _, rank in run]
        for _, run in groupby(enumerate(ranks), lambda place: place[1] - place[0])
    ]
    text = ", ".join(str(run[0]) if len(run) == 1 else f"{run[0]}-{run[-1]}" for run in runs)
    return f"rank{'s' if len(ranks) > 1 else ''} {text}"
