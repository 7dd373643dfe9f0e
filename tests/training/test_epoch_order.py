"""The order of data on the disk: each row once an epoch, well mixed, read in that order."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mnn_gpu.step.sharding import BatchSharding
from mnn_gpu.training.batches import epoch_order as stream
from mnn_gpu.training.batches.epoch_order import EpochOrder
from mnn_gpu.training.batches.shard_reader import ShardReader
from tests.support.in_blocks import NUMBERED, numbered, numbers


class Case(NamedTuple):
    """A way through data: how they are cut, and how they are gone through."""

    sizes: list[int]
    batch_size: int
    shards: int
    window: int
    at_once: int

    @property
    def rows(self) -> int:
        return sum(self.sizes)

    def order(self, seed: int = 0, epoch: int = 0) -> EpochOrder:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(stream, "WINDOW", self.window * NUMBERED * self.shards)
            patch.setattr(stream, "MIN_WINDOW", 1)
            blocks = numbered(self.sizes, self.at_once)
            return EpochOrder(blocks, seed, epoch, self.batch_size, self.shards)

    def batches(self) -> list[int]:
        """Return how many rows each batch has."""
        whole, rest = divmod(self.rows, self.batch_size)
        return [self.batch_size] * whole + [rest] * bool(rest)

    def read(self, order: EpochOrder, begin: int = 0) -> Iterator[list[int]]:
        """Yield the rows of each batch from one on, all its shards' together."""
        sharding = BatchSharding(self.shards)
        a_batch = [part.stop - part.start for part in sharding.parts(self.batch_size)]
        readers = [ShardReader(order, i, begin * size) for i, size in enumerate(a_batch)]
        for m in self.batches()[begin:]:
            X, y = np.empty((m, NUMBERED), np.uint8), np.empty(m, np.int64)
            for reader, part in zip(readers, sharding.parts(m), strict=True):
                reader.fill(X[part], y[part])
            assert numbers(X) == y.tolist()
            yield numbers(X)


COURSES = st.builds(
    Case,
    sizes=st.lists(st.integers(0, 12), min_size=1, max_size=8).filter(any),
    batch_size=st.integers(1, 20),
    shards=st.integers(1, 5),
    window=st.integers(1, 15),
    at_once=st.integers(1, 5),
)


@given(case=COURSES)
@settings(deadline=None)
def test_an_epoch_uses_every_row_once_in_batches_of_their_size(case: Case) -> None:
    batches = list(case.read(case.order()))
    assert [len(batch) for batch in batches] == case.batches()
    assert sorted(row for batch in batches for row in batch) == list(range(case.rows))


@given(case=COURSES)
@settings(deadline=None)
def test_the_rows_of_a_batch_are_known_without_reading(case: Case) -> None:
    order = case.order()
    for place, (m, read) in enumerate(zip(case.batches(), case.read(order), strict=True)):
        assert order.batch(place, m).tolist() == read


@given(case=COURSES, data=st.data())
@settings(deadline=None)
def test_who_begins_later_reads_what_comes_then(case: Case, data: st.DataObject) -> None:
    begin = data.draw(st.integers(0, len(case.batches())))
    whole = list(case.read(case.order()))
    assert list(case.read(case.order(), begin)) == whole[begin:]


@given(case=COURSES, runs=st.lists(st.integers(0, 7), max_size=20))
@settings(deadline=None)
def test_it_does_not_matter_how_many_rows_are_asked_for_at_a_time(
    case: Case, runs: list[int]
) -> None:
    order = case.order()
    stretch = order.starts[1]
    expected = numbers(filled(ShardReader(order, 0, 0), stretch))
    reader = ShardReader(order, 0, 0)
    found: list[int] = []
    for run in runs:
        found += numbers(filled(reader, min(run, stretch - len(found))))
    assert found == expected[: len(found)]


def filled(reader: ShardReader, rows: int) -> npt.NDArray[np.uint8]:
    X = np.empty((rows, NUMBERED), np.uint8)
    reader.fill(X, np.empty(rows, np.int64))
    return X


@given(case=COURSES)
@settings(deadline=None)
def test_how_blocks_are_read_does_not_matter(case: Case) -> None:
    other = case._replace(at_once=100)
    assert list(case.read(case.order())) == list(other.read(other.order()))


@given(case=COURSES, stretch=st.data())
@settings(deadline=None)
def test_runs_are_the_rows_between_two_places(case: Case, stretch: st.DataObject) -> None:
    order = case.order()
    start = stretch.draw(st.integers(0, case.rows))
    stop = stretch.draw(st.integers(start, case.rows))
    runs = list(order.runs(start, stop))
    assert all(0 <= run.start < run.stop <= case.sizes[run.block] for run in runs)
    rows = [[(run.block, row) for row in range(run.start, run.stop)] for run in runs]
    in_order = [(block, row) for block in order.order for row in range(case.sizes[block])]
    assert list(chain(*rows)) == in_order[start:stop]


SOME = Case([40, 7, 0, 33, 20], 9, 3, 16, 4)


def test_epochs_and_seeds_have_orders_of_their_own() -> None:
    orders = [SOME.order(seed, epoch) for seed in (0, 1) for epoch in (0, 1)]
    assert len({tuple(chain(*SOME.read(order))) for order in orders}) == 4
    again = SOME.order()
    assert list(SOME.read(again)) == list(SOME.read(SOME.order()))


def test_a_window_is_mixed_and_no_more_than_it_is_held() -> None:
    order = Case([1000], 100, 2, 50, 10).order()
    reader = ShardReader(order, 1, 0)
    assert len(reader.X) == 50
    rows = numbers(filled(reader, 500))
    for start in range(0, 500, 50):
        window = rows[start : start + 50]
        assert sorted(window) == list(range(500 + start, 550 + start))
        assert window != sorted(window)


def test_all_shards_together_hold_a_window() -> None:
    blocks = numbered([100_000])
    windows = {EpochOrder(blocks, 0, 0, 64, shards).window * shards for shards in (1, 2, 8)}
    assert {window * NUMBERED for window in windows} == {stream.WINDOW}
    many = EpochOrder(blocks, 0, 0, 64, 1024)
    assert many.window * NUMBERED == stream.MIN_WINDOW


def test_a_shard_reads_its_own_rows_alone() -> None:
    blocks = numbered([10] * 20)
    for shard in range(4):
        filled(ShardReader(EpochOrder(blocks, 0, 0, 20, 4), shard, 0), 50)
    assert sum(stop - start for _, start, stop in blocks.asked) == len(blocks)
