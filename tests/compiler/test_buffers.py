"""Buffers: live ones never overlap, and free memory is reused."""

from __future__ import annotations

from itertools import combinations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from mnn_gpu.compiler.buffers import assign_slots, copies, root, uses

STEPS = 12
Buffer = tuple[tuple[int, int], int, int]
"""First and last step, size, pool."""

LIFETIME = st.tuples(st.integers(0, STEPS), st.integers(0, STEPS)).map(
    lambda steps: (min(steps), max(steps))
)
SIZE = st.sampled_from([0, 8, 64])
SEVERAL_POOLS = st.lists(st.tuples(LIFETIME, SIZE, st.integers(0, 2)), max_size=20)
ONE_POOL = st.lists(st.tuples(LIFETIME, SIZE, st.just(0)), max_size=20)


def slots_of(buffers: list[Buffer]) -> tuple[dict[int, int], list[int]]:
    lifetimes, sizes, pools = (
        {name: buffer[part] for name, buffer in enumerate(buffers)} for part in range(3)
    )
    return assign_slots(lifetimes, sizes, pools)  # type: ignore[arg-type]


def peak(buffers: list[Buffer]) -> int:
    """Return the bytes of the buffers that are live at once, at most."""
    return max(
        sum(size for (first, last), size, _ in buffers if first <= step <= last)
        for step in range(STEPS + 1)
    )


@given(SEVERAL_POOLS)
def test_live_buffers_never_share_a_slot(buffers: list[Buffer]) -> None:
    slots, sizes = slots_of(buffers)
    assert all(sizes[slots[name]] == size for name, (_, size, _) in enumerate(buffers))
    for one, other in combinations(range(len(buffers)), 2):
        (first, last), (start, stop) = buffers[one][0], buffers[other][0]
        assert slots[one] != slots[other] or last < start or stop < first


@given(SEVERAL_POOLS)
def test_the_slots_hold_at_least_all_live_buffers(buffers: list[Buffer]) -> None:
    _, sizes = slots_of(buffers)
    assert peak(buffers) <= sum(sizes) <= sum(size for _, size, _ in buffers)


@given(ONE_POOL)
def test_every_free_slot_of_the_size_is_reused(buffers: list[Buffer]) -> None:
    """So the slots of each size hold exactly the most buffers of it that are live at once."""
    _, sizes = slots_of(buffers)
    for size in (8, 64):
        alike = [buffer for buffer in buffers if buffer[1] == size]
        assert sizes.count(size) * size == peak(alike)


@given(SEVERAL_POOLS)
def test_a_slot_is_only_reused_in_its_last_buffers_pool_or_from_pool_0(
    buffers: list[Buffer],
) -> None:
    slots, _ = slots_of(buffers)
    pool: dict[int, int] = {}
    for name in sorted(slots, key=lambda name: buffers[name][0]):
        assert pool.get(slots[name], 0) in (0, buffers[name][2])
        pool[slots[name]] = buffers[name][2]


def test_free_slots_of_other_pools_and_sizes_are_not_reused() -> None:
    buffers = [((0, 1), 8, 1), ((2, 3), 8, 2), ((2, 3), 64, 1), ((2, 3), 8, 1), ((4, 5), 8, 0)]
    assert slots_of(buffers) == ({0: 0, 1: 1, 2: 2, 3: 0, 4: 3}, [8, 8, 64, 8])


def test_a_slot_is_not_reused_in_the_last_step_of_its_buffer() -> None:
    assert slots_of([((0, 1), 8, 0), ((1, 2), 8, 0), ((2, 3), 8, 0)])[0] == {0: 0, 1: 1, 2: 0}


def test_a_use_of_a_view_or_of_a_part_is_a_use_of_the_root() -> None:
    whole, part, other = np.zeros(6), np.zeros(3), np.zeros(2)
    inside = {id(part): (id(whole), 24)}
    steps = [[part], [other], [whole[1:], other], [part[:2], part]]
    assert uses(steps, inside) == {id(whole): [0, 2, 3], id(other): [1, 2]}
    assert list(uses(steps, {})) == [id(part), id(other), id(whole)]


def test_the_offsets_of_nested_parts_are_summed() -> None:
    inside = {3: (2, 16), 2: (1, 8)}
    assert [root(inside, name) for name in (3, 2, 1)] == [(1, 24), (1, 8), (1, 0)]


@given(st.lists(st.integers(0, 5), min_size=3, max_size=3), st.sets(st.integers(0, 2)))
def test_after_the_copies_every_output_is_in_its_target(
    chosen: list[int], in_place: set[int]
) -> None:
    """Outputs may be old values of targets, views of them, and results."""
    targets = [np.full(2, number) for number in range(3)]
    results = [np.full(2, number) for number in range(10, 13)]
    values = [targets[0], targets[1][::-1], targets[2], *results]
    outputs = [values[number] for number in chosen]
    expected = [output.copy() for output in outputs]
    written = {
        id(outputs[i]): targets[i]
        for i in in_place
        if chosen[i] > 2 and not any(np.shares_memory(targets[i], other) for other in outputs)
    }
    for result in outputs:
        if id(result) in written:
            written[id(result)][...] = result
    first, then = copies(outputs, targets, written)
    for source, target in first + then:
        target[...] = source
    np.testing.assert_array_equal(targets, expected)
