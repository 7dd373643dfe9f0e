"""The summation tree: one order of additions, for any distribution of the leaves."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mnn_gpu.step.sharding import BatchSharding
from mnn_gpu.step.tree_sum import Branch, leaves, reduce_siblings, roots, tree_sum


def added(left: str, right: str) -> str:
    """Return the addition as text, which shows its order."""
    return f"({left}+{right})"


@pytest.mark.parametrize(
    ("count", "order"),
    [
        (1, "0"),
        (2, "(0+1)"),
        (3, "((0+1)+2)"),
        (4, "((0+1)+(2+3))"),
        (6, "(((0+1)+(2+3))+(4+5))"),
        (7, "(((0+1)+(2+3))+((4+5)+6))"),
    ],
)
def test_siblings_are_added_first(count: int, order: str) -> None:
    assert tree_sum(leaves(0, count), map(str, range(count)), added) == order


def test_a_range_of_leaves_reduces_to_its_largest_branches() -> None:
    assert roots(leaves(3, 12)) == [Branch(3, 1), Branch(4, 4), Branch(8, 4)]
    assert roots(leaves(8, 16)) == [Branch(8, 8)]


@given(st.integers(1, 40), st.data())
def test_the_order_does_not_depend_on_who_adds_what(shards: int, data: st.DataObject) -> None:
    ranks = data.draw(st.integers(1, shards))
    branches: list[Branch] = []
    values: list[str] = []
    for rank in range(ranks):
        sharding = BatchSharding(shards, rank, ranks)
        own = sharding.mine
        found = reduce_siblings(leaves(own.start, own.stop), map(str, own), added)
        assert list(found) == sharding.branches_of(rank)
        branches += found
        values += found.values()
    assert tree_sum(branches, values, added) == tree_sum(
        leaves(0, shards), map(str, range(shards)), added
    )


@given(st.integers(1, 40), st.integers(0, 200), st.data())
def test_every_sample_belongs_to_exactly_one_rank(shards: int, m: int, data: st.DataObject) -> None:
    ranks = data.draw(st.integers(1, shards))
    shardings = [BatchSharding(shards, rank, ranks) for rank in range(ranks)]
    assert [shard for sharding in shardings for shard in sharding.mine] == list(range(shards))
    parts = [part for sharding in shardings for part in sharding.parts(m)]
    assert [i for part in parts for i in range(m)[part]] == list(range(m))
    sizes = {part.stop - part.start for part in parts}
    assert max(sizes) - min(sizes) <= 1
    for sharding in shardings:
        runs = [i for run in sharding.runs(m, 3) for i in range(m)[run]]
        assert runs == [i for part in sharding.parts(m) for i in range(m)[part]]
        groups = sharding.groups()
        assert [shard for group in groups for shard in group] == list(sharding.mine)
        assert all(group.start // 8 == (group.stop - 1) // 8 for group in groups)
