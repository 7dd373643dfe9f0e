"""The accuracy and the loss of a model on labeled images."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt
from array_api_compat import array_namespace, device

from mnn_gpu.backends import Backend
from mnn_gpu.data.blocks import Blocks
from mnn_gpu.data.dataset import Dataset, check_labelled, labelled_arrays
from mnn_gpu.data.labels import checked_labels, class_index
from mnn_gpu.distributed.agreement import check_same
from mnn_gpu.distributed.connect import ranks_of
from mnn_gpu.distributed.process_group import ProcessGroup
from mnn_gpu.models.block_microbatches import BlockMicrobatches
from mnn_gpu.models.checks import check_same_call, checked_blocks, checked_images
from mnn_gpu.models.model import Model
from mnn_gpu.nn import network
from mnn_gpu.nn.losses import cross_entropy
from mnn_gpu.nn.parameters import unflatten
from mnn_gpu.step.microbatches import Microbatch, part_of, slices
from mnn_gpu.utils import html

Array: TypeAlias = Any


@dataclass(frozen=True)
class Evaluation:
    """The result of a model on labeled images.

    Attributes
    ----------
    rows : int
    errors : int
        Number of wrong predictions.
    accuracy : float
        From 0 to 1.
    loss : float
        Mean cross-entropy in nats.
    """

    rows: int
    errors: int
    accuracy: float
    loss: float

    def _repr_html_(self) -> str:
        return html.table(self.figures())

    def figures(self) -> list[tuple[str, str]]:
        """Return names and values as text, for a table."""
        return [
            ("accuracy", f"{self.accuracy:.2%}"),
            ("errors", f"{self.errors:,} of {self.rows:,}"),
            ("loss", f"{self.loss:.4f}"),
        ]


def evaluate(
    model: Model,
    X: npt.ArrayLike | Dataset | Blocks,
    y: npt.ArrayLike | None = None,
    backend: Backend | None = None,
    *,
    source: str = "the data",
    comm: Any = None,
) -> Evaluation:
    """Compare a model's predictions with the labels.

    Parameters
    ----------
    model : Model
    X : see `predict_proba`
        Or the result of `open_blocks`, which is read while the device computes.
    y : (rows,), the labels
        Leave out if the data have labels.
    backend : Backend, optional
        Default: `select_backend()`.
    source : str
        What to call the data in an error message.
    comm : mpi4py.MPI.Comm, optional
        See `train`: each rank evaluates part of the rows; all return the full evaluation.

    Raises
    ------
    DataError
        If pixels or labels are not valid, or a label is not one of the model's classes.
    """
    ranks = ranks_of(comm)
    check_same(ranks, "evaluate")
    backend = ranks.checked_backend(backend)
    # The ranks divide the shards, so all ranks use the same shard size, whatever the device.
    rows = -ranks.max(-backend.shard_rows)
    shards = ranks.on_all_ranks(lambda: _own_shards(model, X, y, source, backend, rows, ranks))
    check_same_call(ranks, "evaluate", model, backend, X, y)
    with backend.translate_errors():
        # Reading from disk may fail on one rank only.
        scores = ranks.on_all_ranks(
            lambda: Scorer(backend, model.layer_sizes).of(backend.asarray(model.theta), shards)
        )
        return evaluation(np.concatenate(ranks.allgather(scores)))


def _own_shards(
    model: Model,
    X: npt.ArrayLike | Dataset | Blocks,
    y: npt.ArrayLike | None,
    source: str,
    backend: Backend,
    shard_rows: int,
    ranks: ProcessGroup,
) -> Iterable[Microbatch]:
    """Check images and labels, and return this rank's shards."""
    if isinstance(X, Blocks):
        check_labelled(X.source, X.labelled, y)
        X = checked_blocks(model, X)
        which = part_of(len(X.bounds) - 1, ranks.rank, ranks.size)
        return BlockMicrobatches(X, model.classes, which, shard_rows, backend)
    source = X.source if isinstance(X, Dataset) else source
    _, y = labelled_arrays(X, y)
    X = checked_images(model, X, source)
    index = class_index(model.classes, checked_labels(y, len(X), source), source)
    runs = slices(len(X), shard_rows)
    own = [runs[i] for i in part_of(len(runs), ranks.rank, ranks.size)]
    return _shards(X, index, own, backend)


class _Scores(NamedTuple):
    """The correct predictions and the sum of the losses of a shard."""

    correct: Array
    loss: Array


class _Shard(NamedTuple):
    """A network and its samples: (parameters,), (rows, features) and (rows,) class indices."""

    theta: Array
    X: Array
    labels: Array


class Scorer:
    """Evaluates networks of these layer sizes on a device."""

    def __init__(self, backend: Backend, layer_sizes: Sequence[int]) -> None:
        self.backend = backend
        self.layer_sizes = layer_sizes
        self.score = backend.compile_rare(self._score)

    def of(self, theta: Array, shards: Iterable[Microbatch]) -> npt.NDArray[np.float64]:
        """Evaluate parameters on shards; results are transferred once, at the end.

        Shards are (features, m) pixels or floats, and (m,) class indices, on the device.

        Returns
        -------
        (shards, 3), float64
            For each shard: rows, correct predictions and the sum of the losses.
        """
        xp, place = array_namespace(theta), device(theta)
        dtypes = xp.int32, theta.dtype
        zero = _Scores(*(xp.zeros((), dtype=dtype, device=place) for dtype in dtypes))
        rows, scores = [], []
        for X, labels in shards:
            rows.append(X.shape[1])
            scores.append(self.score(zero, _Shard(theta, X.T, labels)))
        if not rows:
            return np.empty((0, 3))
        # A single shard, as on most GPUs, is not stacked: CuPy would compile a kernel for it.
        columns = zip(*scores, strict=True)
        found = [xp.stack(column) if len(column) > 1 else column[0] for column in columns]
        on_host = (np.reshape(self.backend.to_numpy(column), -1) for column in found)
        return np.column_stack([rows, *on_host]).astype(np.float64)

    def _score(self, _: Any, __: _Scores, shard: _Shard) -> _Scores:
        """Return the scores of a shard, in the form that `Backend.compile_rare` requires."""
        theta, X, labels = shard
        layers = unflatten(theta, self.layer_sizes)
        Z, _ = network.forward(layers, network.scale_pixels(X.T, theta.dtype))
        Y = network.one_hot(labels, self.layer_sizes[-1], theta.dtype)
        loss, _ = cross_entropy(Z[-1], Y)
        return _Scores(count_correct(Z[-1], labels), loss)


def count_correct(Z: Array, labels: Array) -> Array:
    """Return the number of samples of which `predict` returns the label.

    `cross_entropy` counts a tie as correct, `predict` returns the first class.
    """
    xp = array_namespace(Z)
    top = xp.max(Z, axis=0, keepdims=True)
    is_top = xp.astype(top <= Z, xp.int32)
    index = xp.arange(Z.shape[0], dtype=labels.dtype, device=device(labels))[:, None]
    is_label = xp.astype(labels[None, :] == index, xp.int32)
    is_before = xp.astype(labels[None, :] > index, xp.int32)
    is_first = xp.sum(is_top * (is_label - is_before), axis=0, dtype=xp.int32) > 0
    return xp.sum(xp.astype(is_first, xp.int32), dtype=xp.int32)


def evaluation(scores: npt.NDArray[np.float64]) -> Evaluation:
    """Return the evaluation of all shards; see `Scorer`."""
    rows, hits = (int(number) for number in scores[:, :2].sum(axis=0))
    return Evaluation(rows, rows - hits, hits / rows, math.fsum(scores[:, 2]) / rows)


def _shards(
    X: npt.NDArray[Any], index: npt.NDArray[np.int32], runs: Sequence[slice], backend: Backend
) -> Iterator[Microbatch]:
    """Transfer slices of host rows to the device, one at a time."""
    for rows in runs:
        yield backend.asarray(X[rows]).T, backend.asarray(index[rows])
