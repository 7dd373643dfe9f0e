"""Liveness and reuse of memory, for both memory plans.

A step is one operation of a program, in order. A buffer's name is its array's id. ``inside``
gives, for each buffer that is part of another one, that one and the offset in it in bytes; a root
is part of no other one.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from operator import itemgetter
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from mnn_gpu.compiler.views import owner

NDArray: TypeAlias = npt.NDArray[Any]
Copy: TypeAlias = tuple[NDArray, NDArray]


def root(inside: Mapping[int, tuple[int, int]], name: int) -> tuple[int, int]:
    """Return the root that contains a buffer, and the buffer's offset in it."""
    offset = 0
    while name in inside:
        name, start = inside[name]
        offset += start
    return name, offset


def uses(
    steps: Iterable[Iterable[NDArray]], inside: Mapping[int, tuple[int, int]]
) -> dict[int, list[int]]:
    """Return the steps that use each root or a part of it, ascending; roots by first use.

    ``steps`` are the arrays that each step reads and writes, or views of them.
    """
    found: dict[int, list[int]] = {}
    for step, arrays in enumerate(steps):
        for name in dict.fromkeys(root(inside, id(owner(array)))[0] for array in arrays):
            found.setdefault(name, []).append(step)
    return found


def assign_slots(
    lifetimes: Mapping[int, tuple[int, int]], sizes: Mapping[int, int], pools: Mapping[int, int]
) -> tuple[dict[int, int], list[int]]:
    """Assign a slot of memory to each buffer; a slot is free again after its buffer's last step.

    Buffers of one step have different slots, so that an operation's result does not overwrite
    its arguments. Only buffers of the same size share a slot.

    Parameters
    ----------
    lifetimes : mapping
        First and last step, inclusive, in which each buffer's content is needed.
    sizes : mapping
        Bytes of each buffer.
    pools : mapping
        Where each buffer's slot is free again. A buffer reuses a slot of its own pool, else one
        of pool 0.

    Returns
    -------
    slots : dict
        Index of each buffer's slot.
    slot_sizes : list of int
        Bytes of each slot.
    """
    slots: dict[int, int] = {}
    slot_sizes: list[int] = []
    free: defaultdict[tuple[int, int], list[int]] = defaultdict(list)
    starts = [(first, False, name) for name, (first, _) in lifetimes.items()]
    ends = [(last, True, name) for name, (_, last) in lifetimes.items()]
    for _, is_end, name in sorted(starts + ends, key=itemgetter(0, 1)):
        own = free[pools[name], sizes[name]]
        if is_end:
            own.append(slots[name])
        elif reusable := own or free[0, sizes[name]]:
            slots[name] = reusable.pop()
        else:
            slots[name] = len(slot_sizes)
            slot_sizes.append(sizes[name])
    return slots, slot_sizes


def copies(
    outputs: Sequence[NDArray], targets: Sequence[NDArray], written: Mapping[int, NDArray]
) -> tuple[list[Copy], list[Copy]]:
    """Return the copies, from and to, after which every output is in its target.

    Parameters
    ----------
    outputs, targets : sequence of array
    written : mapping
        The target to which an output is written directly, by the output's id.

    Returns
    -------
    first : list of tuple of array
        Copies to new arrays of old values that become outputs: later copies may overwrite them.
    then : list of tuple of array
        Copies to the targets.
    """
    old = {id(target) for target in targets}
    first: list[Copy] = []
    then: list[Copy] = []
    for output, target in zip(outputs, targets, strict=True):
        if output is target or written.get(id(output)) is target:
            continue
        source = output
        if id(owner(output)) in old:
            source = np.empty(output.shape, output.dtype)
            first.append((output, source))
        then.append((source, target))
    return first, then
