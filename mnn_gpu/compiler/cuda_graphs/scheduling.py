"""Which launches may be under way at once: those that do not wait for each other.

A small network's kernels fill a few of a GPU's hundred processors each, and half of them do
not depend on the other half: a layer's gradient and the layers before it, the loss and the
update. So they are dealt out to a few lanes, in each of which one follows the other.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

STREAMS = 4
"""More gain little: so many launches of a network's step are ready at most, most of the time."""


class Access(NamedTuple):
    """Bytes that a launch reads or writes.

    Attributes
    ----------
    home : hashable
        Which piece of memory.
    start, stop : int
    is_write : bool
    """

    buffer: Any
    start: int
    stop: int
    is_write: bool


class ScheduleEntry(NamedTuple):
    """When a launch may begin: after the one before it in its lane, and after others.

    Attributes
    ----------
    lane : int
    after : tuple of int
        The numbers of launches of other lanes.
    """

    stream: int
    after: tuple[int, ...]


def dependencies(kernels: Iterable[Sequence[Access]]) -> list[set[int]]:
    """Return which earlier launches each must wait for.

    Those that write what it reads, and those that read or write what it writes; of these
    only the last ones, where they wait for the others themselves.
    """
    known: dict[Any, list[tuple[int, Access]]] = {}
    result: list[set[int]] = []
    for number, accesses in enumerate(kernels):
        wanted: set[int] = set()
        for access in accesses:
            earlier = known.setdefault(access.buffer, [])
            wanted |= {n for n, other in earlier if _must_wait(access, other)}
        for access in accesses:
            earlier = known[access.buffer]
            if access.is_write:
                # Whoever waits for this one waits for those that it covers, too.
                earlier[:] = [e for e in earlier if not _covers(access, e[1])]
            earlier.append((number, access))
        result.append(wanted)
    return result


def schedule(waiting: Sequence[set[int]], streams: int = STREAMS) -> list[ScheduleEntry]:
    """Deal launches out to lanes, by what each must wait for.

    A launch goes on with the lane of one that it waits for, if that is the lane's last;
    otherwise it takes the lane whose last one is ready the soonest. A wait is left out if
    another one implies it.
    """
    last = [-1] * streams
    depth: list[int] = []
    # Of each launch, the last one in every lane that is done when it is: itself in its own.
    done: list[list[int]] = []
    result: list[ScheduleEntry] = []
    for number, wanted in enumerate(waiting):
        depths = [0 if end < 0 else depth[end] for end in last]
        own = [stream for stream in range(streams) if last[stream] in wanted]
        stream = max(own, key=depths.__getitem__) if own else depths.index(min(depths))
        clock = done[last[stream]] if last[stream] >= 0 else [-1] * streams
        after = []
        for earlier in sorted(wanted, reverse=True):
            if clock[result[earlier].stream] < earlier:
                after.append(earlier)
                clock = list(map(max, clock, done[earlier]))
        done.append([number if other == stream else end for other, end in enumerate(clock)])
        depth.append(1 + max([depths[stream], *(depth[earlier] for earlier in after)]))
        result.append(ScheduleEntry(stream, tuple(after)))
        last[stream] = number
    return result


def _must_wait(access: Access, other: Access) -> bool:
    overlap = access.start < other.stop and other.start < access.stop
    return overlap and (access.is_write or other.is_write)


def _covers(access: Access, other: Access) -> bool:
    return access.start <= other.start and other.stop <= access.stop
