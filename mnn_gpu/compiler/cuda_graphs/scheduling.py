"""Assignment of kernels to streams, so that independent kernels can run concurrently.

Each kernel of a small network uses only a few of a GPU's hundred processors, and half of them
do not depend on the other half: a layer's gradient and the layers before it, the loss and the
update. So they are distributed over a few streams, each of which runs its kernels in order.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

STREAMS = 4
"""More gain little: there are rarely more independent kernels in a network's step."""


class Access(NamedTuple):
    """Bytes that a kernel reads or writes.

    Attributes
    ----------
    buffer : hashable
        Identity of the buffer.
    start, stop : int
    is_write : bool
    """

    buffer: Any
    start: int
    stop: int
    is_write: bool


class ScheduleEntry(NamedTuple):
    """When a kernel may start: after its predecessor in the stream, and after other kernels.

    Attributes
    ----------
    stream : int
    after : tuple of int
        Indices of kernels in other streams.
    """

    stream: int
    after: tuple[int, ...]


def dependencies(kernels: Iterable[Sequence[Access]]) -> list[set[int]]:
    """Return the earlier kernels that each kernel must wait for.

    Those that write what it reads, and those that read or write what it writes. Kernels
    that one of these waits for are omitted.
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
                # A kernel that waits for this one also waits for those it covers.
                earlier[:] = [e for e in earlier if not _covers(access, e[1])]
            earlier.append((number, access))
        result.append(wanted)
    return result


def schedule(waiting: Sequence[set[int]], streams: int = STREAMS) -> list[ScheduleEntry]:
    """Assign kernels to streams, by the kernels that each must wait for.

    A kernel continues the stream of one that it waits for, if that is the stream's last;
    otherwise it takes the stream whose last kernel is ready first. A wait is omitted if
    another one implies it.
    """
    last = [-1] * streams
    depth: list[int] = []
    # For each kernel, the last kernel of every stream that is done when it is done.
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
