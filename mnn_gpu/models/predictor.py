"""Using a trained model: probabilities, predictions, accuracy; in shards, on any device."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from threading import Lock
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt
from array_api_compat import array_namespace

from mnn_gpu.backends import Backend, checked_backend
from mnn_gpu.backends.base import Run
from mnn_gpu.data.dataset import (
    Dataset,
    check_labelled,
    checked_labels,
    class_index,
    labelled_arrays,
)
from mnn_gpu.data.feature_order import blocks_in_order, in_order
from mnn_gpu.data.open_blocks import Blocks
from mnn_gpu.data.pixels import checked_pixels, chosen_scale, fitting_scale, unit_pixels
from mnn_gpu.data.unit_blocks import in_unit_range
from mnn_gpu.distributed.agreement import check_same, digest_of_data
from mnn_gpu.distributed.process_group import Ranks, ranks_of
from mnn_gpu.errors import DataError
from mnn_gpu.models.block_microbatches import BlockShards, read_ahead
from mnn_gpu.models.model import Model
from mnn_gpu.nn import network
from mnn_gpu.nn.activations import softmax
from mnn_gpu.step.microbatches import Shard, joined, part_of, shard_slices, slices
from mnn_gpu.utils import html

Array: TypeAlias = Any

MOST_PROGRAMS = 8
"""For so many numbers of images a predictor is compiled; each keeps memory of its own."""


@dataclass(frozen=True)
class Evaluation:
    """How a model does on labelled images.

    Attributes
    ----------
    rows : int
    errors : int
        How many labels it misses.
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
        return html.of_evaluation(self)


class _Images(NamedTuple):
    """A batch for `Backend.compile`: (rows, features)."""

    X: Array


class Predictor:
    """A model ready to answer again and again: on its device, compiled.

    Parameters
    ----------
    model : Model
    backend : Backend, optional
        Default: `select_backend()`.

    Notes
    -----
    Images are worked on in shards. A number of images that comes a second time is
    compiled for, see `Backend.compile`, from when on the last bits may be others. Threads may share
    a predictor: while one of them uses the compiled program, the others' images are computed
    without it. A predictor cannot be pickled, since its backend cannot; its model can.
    """

    def __init__(self, model: Model, backend: Backend | None = None) -> None:
        self.model = model
        self.backend = checked_backend(backend)
        with self.backend.explaining():
            self._theta = self.backend.asarray(model.theta)
        self._seen: set[int] = set()
        self._compiled: dict[int, tuple[Run, Array]] = {}
        # A compiled program works in memory of its own, its result included.
        self._lock = Lock()

    def predict(
        self, X: npt.ArrayLike | Dataset | Blocks, *, source: str = "X"
    ) -> npt.NDArray[Any]:
        """Return the most probable label of every image, (rows,); see `predict_proba`.

        Of what `load_dataset` and `open_blocks` return too, whose labels, if any, are not used;
        the latter is read while the device is at work.
        """
        if isinstance(X, Blocks):
            return self.predict_blocks(X, range(len(X.bounds) - 1))
        return self.labels(_checked(self.model, X, source))

    def labels(self, pixels: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Return the label of every image, of bytes from 0 to 255 or floats from 0 to 1."""
        labels: npt.NDArray[Any] = self.model.classes[self._scores(pixels).argmax(axis=1)]
        return labels

    def predict_blocks(self, blocks: Blocks, which: range) -> npt.NDArray[Any]:
        """Return the most probable label of every image of some blocks in a row, (rows,)."""
        blocks = _fitting(self.model, blocks)
        begin, end = blocks.bounds[[which.start, which.stop]]
        labels = np.empty(end - begin, self.model.classes.dtype)
        with closing(read_ahead(blocks, which)) as pieces:
            for first, (X, _) in pieces:
                at = first - int(begin)
                labels[at : at + len(X)] = self.labels(X)
        return labels

    def predict_proba(self, X: npt.ArrayLike | Dataset, *, source: str = "X") -> npt.NDArray[Any]:
        """Return the probability of every class.

        Parameters
        ----------
        X : (rows, features), or (rows, height, width)
            Pixels as uint8 from 0 to 255 or floats from 0 to 1. Columns with names, in a data
            frame or a Dataset, are put in the order of the model's ``feature_names``.
        source : str
            What to call the data in an error message.

        Returns
        -------
        (rows, classes), the model's dtype; column j belongs to ``model.classes[j]``

        Raises
        ------
        DataError
            If the pixels are not such, or their number or names are not the model's.
        """
        probabilities: npt.NDArray[Any] = softmax(self._scores(_checked(self.model, X, source)).T).T
        return probabilities

    def _scores(self, pixels: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Return the last layer's Z, (rows, classes), on the host; of pixels as `_checked`'s."""
        scores = np.empty((len(pixels), self.model.layer_sizes[-1]), self.model.theta.dtype)
        # Not waited for: the holder may be this thread, interrupted, or the parent of a fork.
        is_held = self._lock.acquire(blocking=False)
        compute = self._device_scores if is_held else self._plain_scores
        try:
            with self.backend.explaining():
                for rows in shard_slices(len(pixels), self.backend.lanes * self.backend.shard_rows):
                    here = self.backend.asarray(pixels[rows])
                    scores[rows] = self.backend.to_numpy(compute(here))
        finally:
            if is_held:
                self._lock.release()
        return scores

    def _plain_scores(self, X: Array) -> Array:
        """Return Z of (rows, features), in its own memory."""
        (Z,) = self._step(self._theta, None, _Images(X))
        return Z

    def _device_scores(self, X: Array) -> Array:
        """Return Z of (rows, features), compiled if there have been as many rows before."""
        rows = X.shape[0]
        if rows in self._compiled:
            run, Z = self._compiled[rows]
            (Z,) = run((Z,), _Images(X[None, ...]))
            self._compiled[rows] = run, Z
            return Z
        Z = self._plain_scores(X)
        if rows not in self._seen:
            self._seen.add(rows)
        elif len(self._compiled) < MOST_PROGRAMS:
            self._compiled[rows] = self.backend.compile(self._step, self._theta), Z
        return Z

    def _step(self, theta: Array, _: Any, batch: _Images) -> tuple[Array]:
        """Return Z of a batch of images, in the form that `Backend.compile` takes."""
        X = batch.X
        shards = shard_slices(X.shape[0], self.backend.shard_rows, self.backend.lanes)

        def scores(theta: Array, part: Sequence[slice]) -> Array:
            layers = network.unflatten(theta, self.model.layer_sizes)
            Z = []
            for rows in part:
                of_shard, _ = network.forward(layers, network.unit_range(X[rows, :].T, theta.dtype))
                Z.append(of_shard[-1].T)
            return joined(Z)

        return (joined(self.backend.spread(scores, theta, shards)),)


def predict_proba(
    model: Model, X: npt.ArrayLike, backend: Backend | None = None, *, source: str = "X"
) -> npt.NDArray[Any]:
    """Return the probability of every class, once; see `Predictor.predict_proba`."""
    return Predictor(model, backend).predict_proba(X, source=source)


def predict(
    model: Model,
    X: npt.ArrayLike | Dataset | Blocks,
    backend: Backend | None = None,
    *,
    source: str = "X",
    comm: Any = None,
) -> npt.NDArray[Any]:
    """Return the most probable label of every image, once; see `Predictor.predict`.

    With ``comm``, see `train`, each rank labels some of the rows; all return all labels.
    """
    ranks = ranks_of(comm)
    check_same(ranks, "predict")
    predictor = ranks.all_do(
        lambda: Predictor(model, ranks.backend() if backend is None else backend)
    )
    if ranks.size == 1:
        return predictor.predict(X, source=source)
    if not isinstance(X, Blocks):
        raw = X
        X = ranks.all_do(lambda: _checked(model, raw, source))
    _check_same(ranks, "predict", model, predictor.backend, X)
    if isinstance(X, Blocks):
        which = part_of(len(X.bounds) - 1, ranks.rank, ranks.size)
        own = ranks.all_do(partial(predictor.predict_blocks, X, which))
        return np.concatenate(ranks.gathered(own))
    part = part_of(len(X), ranks.rank, ranks.size)
    mine = X[part.start : part.stop]
    labels = ranks.all_do(lambda: predictor.labels(mine))
    return np.concatenate(ranks.gathered(labels))


def _check_same(
    ranks: Ranks, call: str, model: Model, backend: Backend, X: Any, y: Any = None
) -> None:
    """See `agreement.check_same`."""
    if ranks.size > 1:
        sizes = "-".join(map(str, model.layer_sizes))
        values = {
            "backend": backend.name,
            "model": f"{sizes} {model.pixel_max} {digest_of_data(model.theta, model.classes)}",
            "data or labels": digest_of_data(X, y),
        }
        check_same(ranks, call, values)


def evaluate(
    model: Model,
    X: npt.ArrayLike | Dataset | Blocks,
    y: npt.ArrayLike | None = None,
    backend: Backend | None = None,
    *,
    source: str = "the data",
    comm: Any = None,
) -> Evaluation:
    """Hold a model's answers against the labels.

    Parameters
    ----------
    model : Model
    X : see `predict_proba`
        Or what `open_blocks` returns, which is read while the device is at work.
    y : (rows,), the labels
        To be left out of data that bring their own.
    backend : Backend, optional
        Default: `select_backend()`.
    source : str
        What to call the data in an error message.
    comm : mpi4py.MPI.Comm, optional
        See `train`: each rank evaluates some of the rows; all return the whole evaluation.

    Raises
    ------
    DataError
        If pixels or labels are not such, or a label is none of the model's.
    """
    ranks = ranks_of(comm)
    check_same(ranks, "evaluate")
    given = backend
    backend = ranks.all_do(lambda: ranks.backend() if given is None else checked_backend(given))
    # The ranks share out the shards, so these have the same rows on all, whatever the device.
    rows = -ranks.largest(-backend.shard_rows)
    shards = ranks.all_do(lambda: _own_shards(model, X, y, source, backend, rows, ranks))
    _check_same(ranks, "evaluate", model, backend, X, y)
    with backend.explaining():
        # What lies on the disk may fail one rank alone.
        scores = ranks.all_do(lambda: score_shards(backend, _layers(model, backend), shards))
        return evaluation(np.concatenate(ranks.gathered(scores)))


def _own_shards(
    model: Model,
    X: npt.ArrayLike | Dataset | Blocks,
    y: npt.ArrayLike | None,
    source: str,
    backend: Backend,
    shard_rows: int,
    ranks: Ranks,
) -> Iterable[Shard]:
    """Check images and labels, and return this rank's shards of them."""
    if isinstance(X, Blocks):
        check_labelled(X.source, X.labelled, y)
        X = _fitting(model, X)
        which = part_of(len(X.bounds) - 1, ranks.rank, ranks.size)
        return BlockShards(X, model.classes, which, shard_rows, backend)
    source = X.source if isinstance(X, Dataset) else source
    _, y = labelled_arrays(X, y)
    X = _checked(model, X, source)
    index = class_index(model.classes, checked_labels(y, len(X), source), source)
    runs = slices(len(X), shard_rows)
    own = [runs[i] for i in part_of(len(runs), ranks.rank, ranks.size)]
    return _shards(X, index, own, backend)


def score_shards(
    backend: Backend, layers: Sequence[network.Layer], shards: Iterable[Shard]
) -> npt.NDArray[np.float64]:
    """Hold a network's answers against the labels; all on the device, one look at the end.

    Parameters
    ----------
    backend : Backend
    layers : sequence of (W, b) on the device
    shards : iterable of (X, labels) on the device
        (features, m) pixels or floats, and (m,) class indices.

    Returns
    -------
    (shards, 3), float64
        Of each shard the rows, the right answers and the sum of the losses.
    """
    dtype = layers[0][0].dtype
    xp = array_namespace(layers[0][0])
    rows, losses, correct = [], [], []
    for X, labels in shards:
        Z, _ = network.forward(layers, network.unit_range(X, dtype))
        Y = network.one_hot(labels, Z[-1].shape[0], dtype)
        loss, _ = network.score(Z[-1], Y)
        # By the prediction itself: `score` counts a tie as right, `predict` takes the first.
        right = xp.astype(network.predict(Z[-1]) == labels, xp.int32)
        rows.append(X.shape[1])
        losses.append(loss)
        correct.append(xp.sum(right))
    if not rows:
        return np.empty((0, 3))
    columns = (rows, *(backend.to_numpy(xp.stack(part)) for part in (correct, losses)))
    return np.array(columns, np.float64).T


def evaluation(scores: npt.NDArray[np.float64]) -> Evaluation:
    """Return the evaluation of all shards; see `score_shards`."""
    rows, hits = (int(number) for number in scores[:, :2].sum(axis=0))
    return Evaluation(rows, rows - hits, hits / rows, math.fsum(scores[:, 2]) / rows)


def _checked(model: Model, X: npt.ArrayLike | Dataset, source: str) -> npt.NDArray[Any]:
    """Return images as bytes from 0 to 255 or as floats from 0 to 1, as the model takes them."""
    source = X.source if isinstance(X, Dataset) else source
    X = checked_pixels(in_order(X, model.feature_names, source), source)
    _check_features(model, X.shape[1], source, X.size)
    return unit_pixels(X, fitting_scale(X, model.pixel_max, source))


def _fitting(model: Model, blocks: Blocks) -> Blocks:
    blocks = blocks_in_order(blocks, model.feature_names)
    _check_features(model, blocks.features, blocks.source)
    scale = chosen_scale(blocks.pixel_max, blocks.dtype, model.pixel_max, blocks.source)
    return in_unit_range(blocks, scale)


def _check_features(model: Model, features: int, source: str, size: int = 0) -> None:
    if features != model.features:
        one = "Give a single image as X[None], or" if size == model.features else "Give"
        raise DataError(
            f"The images of {source} have {features} pixels, the model was trained on "
            f"{model.features}.",
            f"{one} images of the size that the model was trained on.",
        )


def _layers(model: Model, backend: Backend) -> list[network.Layer]:
    return network.unflatten(backend.asarray(model.theta), model.layer_sizes)


def _shards(
    X: npt.NDArray[Any], index: npt.NDArray[np.int32], runs: Sequence[slice], backend: Backend
) -> Iterator[Shard]:
    """Bring runs of host rows to the device, one at a time."""
    for rows in runs:
        yield backend.asarray(X[rows]).T, backend.asarray(index[rows])
