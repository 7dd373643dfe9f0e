"""How often the host waits for the device: for a record, and never between two of them.

Every read is counted where it happens, in the arrays of array_api_strict on its pretended
second device, of which NumPy sees nothing that was not asked for.
"""

from __future__ import annotations

from functools import partial
from itertools import pairwise
from typing import Any

import array_api_strict
import pytest
from sklearn.exceptions import ConvergenceWarning

from mnn_gpu import Augmentation, Hook, MLPClassifier, Record, TrainingConfig, train
from mnn_gpu.backends import Backend
from mnn_gpu.backends.array_api_backend import PlainBackend
from tests.support.libraries import Library, library

READS = [
    "__array__",
    "__bool__",
    "__buffer__",
    "__complex__",
    "__dlpack__",
    "__float__",
    "__index__",
    "__int__",
]
A_RECORD = 4
"""Loss, right answers, the steps that had a finite loss, and parameters to fall back on."""

HELD_OUT = 2
"""Loss and right answers of the held-out rows."""


class Reads:
    """The reads so far, and those of each stretch of a training between two events."""

    def __init__(self) -> None:
        self.count = 0

    def since(self) -> int:
        """Return how many there were since this was last asked."""
        count, self.count = self.count, 0
        return count


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> Reads:
    """Count the reads of arrays of array_api_strict."""
    reads = Reads()
    of_array = type(array_api_strict.zeros(1))

    def counted(name: str) -> Any:
        original = getattr(of_array, name)

        def read(self: Any, *arguments: Any, **options: Any) -> Any:
            reads.count += 1
            return original(self, *arguments, **options)

        return read

    for name in filter(partial(hasattr, of_array), READS):  # Buffers are from Python 3.12.
        monkeypatch.setattr(of_array, name, counted(name))
    return reads


class Watch(Hook):
    """Notes the reads before each step was over and before each record was made."""

    def __init__(self, reads: Reads) -> None:
        self.reads = reads
        self.of_steps: list[int] = []
        self.of_records: list[int] = []

    def on_start(self, iterations: int) -> None:
        self.reads.since()

    def on_step(self, iteration: int) -> None:
        self.of_steps.append(self.reads.since())

    def on_record(self, record: Record) -> None:
        self.of_records.append(self.reads.since())


def there() -> tuple[Library, Backend]:
    lib = library("array_api_strict")
    return lib, PlainBackend.of(lib.asarray([0.0]))


def test_every_way_to_read_a_value_is_counted(reads: Reads) -> None:
    lib, backend = there()
    one = lib.asarray([1, 0], "int32")[0]
    for read in (float, int, bool, complex, backend.to_numpy):
        read(one)
        assert reads.since() == 1


EVERYTHING = {
    "optimizer": "adamw",
    "ema_decay": 0.9,
    "clip_norm": 1.0,
    "max_norm": 3.0,
    "dropout": 0.2,
    "input_dropout": 0.1,
    "augmentation": Augmentation(),
    "image_shape": (3, 4),
    "schedule": "one-cycle",
}


@pytest.mark.parametrize("held_out", [False, True])
@pytest.mark.parametrize(
    "recipe",
    [
        {"iterations": 8, "report_every": 4},
        {"iterations": 8, "report_every": 4, "shard_rows": 7},
        {"epochs": 3, "batch_size": 7},
        {"epochs": 3, "batch_size": 1},
        {"epochs": 3, "batch_size": 7, **EVERYTHING},
    ],
    ids=["full batch", "shards", "minibatches", "single rows", "everything"],
)
def test_training_reads_for_its_records_alone(
    recipe: dict[str, Any], held_out: bool, images: dict[str, Any], reads: Reads
) -> None:
    _, backend = there()
    watch, data = Watch(reads), (images["X"], images["y"])
    config = TrainingConfig(hidden=(4,), **recipe)
    validation = data if held_out else None
    train(*data, config, backend=backend, validation=validation, hooks=[watch])
    assert len(watch.of_steps) > len(watch.of_records) >= 2
    assert set(watch.of_steps) == {0}
    assert set(watch.of_records) == {A_RECORD + held_out * HELD_OUT}


@pytest.mark.parametrize("solver", ["sgd", "adam"])
@pytest.mark.parametrize("early_stopping", [False, True])
def test_an_estimators_epoch_reads_as_often_however_many_steps_it_has(
    solver: str, early_stopping: bool, images: dict[str, Any], reads: Reads
) -> None:
    lib, _ = there()
    X, y = lib.asarray(images["X"] / 255), lib.asarray(images["y"])

    def of_fit(epochs: int, batch_size: int) -> int:
        classifier = MLPClassifier(
            (4,),
            solver=solver,
            max_iter=epochs,
            batch_size=batch_size,
            early_stopping=early_stopping,
            n_iter_no_change=100,
            random_state=0,
        )
        reads.since()
        with pytest.warns(ConvergenceWarning):
            classifier.fit(X, y)
        return reads.since()

    def of_epoch(batch_size: int) -> list[int]:
        totals = [of_fit(epochs, batch_size) for epochs in (1, 2, 3)]
        return [more - less for less, more in pairwise(totals)]

    expected = 1  # The loss.
    if early_stopping:
        # The parameters, the optimizer's memory, the answers for the rows held out.
        expected += 1 + (2 if solver == "adam" else 1) + 1
    assert of_epoch(1) == of_epoch(8) == of_epoch(15) == [expected] * 2
