"""Rows held out of data on disk: a partition, read correctly for any positions."""

from __future__ import annotations

from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mnn_gpu import UsageError, open_blocks, split_blocks
from mnn_gpu.data.block_split import Remaining
from tests.data.test_blocks import all_of, folder, frame, made
from tests.support.in_blocks import numbered, numbers

SIZES = st.lists(st.integers(0, 9), min_size=1, max_size=7).filter(any)


@given(sizes=SIZES, at_once=st.integers(1, 10), seed=st.integers(0, 3), data=st.data())
@settings(deadline=None)
def test_a_split_is_a_partition(
    sizes: list[int], at_once: int, seed: int, data: st.DataObject
) -> None:
    blocks = numbered(sizes, at_once)
    holdout = data.draw(st.integers(0, len(blocks) - 1))
    training, held_out = split_blocks(blocks, holdout, seed)
    X, y = all_of(training)
    assert numbers(X) == y.tolist() == sorted(y)
    assert numbers(held_out.X) == held_out.labels().tolist() == sorted(held_out.labels())
    assert (len(training), len(held_out)) == (len(blocks) - holdout, holdout)
    assert sorted([*y, *held_out.labels()]) == list(range(len(blocks)))


@given(sizes=SIZES, at_once=st.integers(1, 10), data=st.data())
@settings(deadline=None)
def test_any_rows_of_a_block_are_read_without_held_out_rows(
    sizes: list[int], at_once: int, data: st.DataObject
) -> None:
    blocks = numbered(sizes, at_once)
    left_out = data.draw(st.sets(st.integers(0, len(blocks) - 1)))
    remaining = Remaining(blocks, np.array(sorted(left_out), np.int64))
    block = data.draw(st.integers(0, len(sizes) - 1))
    first, last = blocks.bounds[block : block + 2].tolist()
    kept = [row for row in range(first, last) if row not in left_out]
    assert np.diff(remaining.bounds)[block] == len(kept)
    start = data.draw(st.integers(0, len(kept)))
    stop = data.draw(st.integers(start, len(kept)))
    X, y = remaining.read(block, start, stop)
    assert y is not None
    assert numbers(X) == y.tolist() == kept[start:stop]
    pieces = [numbers(X) for X, _ in remaining.pieces(block, start, stop)]
    assert list(chain.from_iterable(pieces)) == y.tolist()


def test_all_rows_of_a_block_may_be_held_out() -> None:
    remaining = Remaining(numbered([3, 2, 4]), np.array([0, 3, 4], np.int64))
    assert remaining.bounds.tolist() == [0, 2, 2, 6]
    assert numbers(all_of(remaining)[0]) == [1, 2, 5, 6, 7, 8]
    assert [first for first, _ in remaining.whole()] == [0, 2, 5]


@pytest.mark.parametrize("kind", ["folder", "parquet"])
def test_files_are_split_across_their_blocks(tmp_path: Path, kind: str) -> None:
    X, y = made(50)
    if kind == "folder":
        folder(tmp_path / "d.folder", X, y, 8)
    else:
        frame(X, y).to_parquet(tmp_path / "d.parquet", row_group_size=8)
    blocks = open_blocks(tmp_path / f"d.{kind}")
    training, held_out = split_blocks(blocks, 13, 5)
    chosen = split_blocks(numbered([50]), 13, 5)[1].labels()
    rest = np.delete(np.arange(50), chosen)
    for (found, labels), rows in (
        ((held_out.X, held_out.labels()), chosen),
        (all_of(training), rest),
    ):
        np.testing.assert_array_equal(found, X[rows])
        np.testing.assert_array_equal(labels, y[rows])
    assert (training.features, training.dtype, training.source) == (6, X.dtype, blocks.source)
    np.testing.assert_array_equal(training.classes, np.unique(y))


def test_the_digest_depends_on_the_held_out_rows() -> None:
    blocks = numbered([9, 9])
    some = [split_blocks(blocks, holdout, seed)[0] for holdout in (0, 3, 4) for seed in (0, 1)]
    assert some[0] is some[1] is blocks
    digests = [training.digest for training in some]
    assert len(set(digests)) == 5
    assert digests == [
        split_blocks(blocks, holdout, seed)[0].digest for holdout in (0, 3, 4) for seed in (0, 1)
    ]


@pytest.mark.parametrize("holdout", [-1, 5, 6])
def test_a_split_without_training_rows_is_refused(holdout: Any) -> None:
    with pytest.raises(UsageError, match=r"holdout is -1|leaves none to train on") as caught:
        split_blocks(numbered([5]), holdout)
    assert "0 to 4" in caught.value.cure
