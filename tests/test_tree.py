"""The tree of shards: one order of adding, whoever holds which leaves."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mnn_gpu.step.sharding import Sharing
from mnn_gpu.step.tree_sum import Branch, grown, leaves, remaining, total


def added(left: str, right: str) -> str:
    """Write down an addition, so that its order can be seen."""
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
    assert total(leaves(0, count), map(str, range(count)), added) == order


def test_a_run_of_leaves_leaves_its_largest_branches() -> None:
    assert remaining(leaves(3, 12)) == [Branch(3, 1), Branch(4, 4), Branch(8, 4)]
    assert remaining(leaves(8, 16)) == [Branch(8, 8)]


@given(st.integers(1, 40), st.data())
def test_the_order_does_not_hang_on_who_adds_what(shards: int, data: st.DataObject) -> None:
    ranks = data.draw(st.integers(1, shards))
    branches: list[Branch] = []
    values: list[str] = []
    for rank in range(ranks):
        sharing = Sharing(shards, rank, ranks)
        own = sharing.mine
        found = grown(leaves(own.start, own.stop), map(str, own), added)
        assert list(found) == sharing.branches_of(rank)
        branches += found
        values += found.values()
    assert total(branches, values, added) == total(
        leaves(0, shards), map(str, range(shards)), added
    )


@given(st.integers(1, 40), st.integers(0, 200), st.data())
def test_the_ranks_share_out_every_sample_once(shards: int, m: int, data: st.DataObject) -> None:
    ranks = data.draw(st.integers(1, shards))
    sharings = [Sharing(shards, rank, ranks) for rank in range(ranks)]
    assert [shard for sharing in sharings for shard in sharing.mine] == list(range(shards))
    parts = [part for sharing in sharings for part in sharing.parts(m)]
    assert [i for part in parts for i in range(m)[part]] == list(range(m))
    sizes = {part.stop - part.start for part in parts}
    assert max(sizes) - min(sizes) <= 1
    for sharing in sharings:
        runs = [i for run in sharing.runs(m, 3) for i in range(m)[run]]
        assert runs == [i for part in sharing.parts(m) for i in range(m)[part]]
        groups = sharing.groups()
        assert [shard for group in groups for shard in group] == list(sharing.mine)
        assert all(group.start // 8 == (group.stop - 1) // 8 for group in groups)
