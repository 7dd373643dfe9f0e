"""Applying a trained model: probabilities and predictions, in shards, on any device."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from functools import partial
from threading import Lock
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from mnn_gpu.backends import Backend, checked_backend
from mnn_gpu.data.dataset import Dataset
from mnn_gpu.data.open_blocks import Blocks
from mnn_gpu.distributed.agreement import check_same
from mnn_gpu.distributed.connect import ranks_of
from mnn_gpu.models.block_microbatches import prefetch_blocks
from mnn_gpu.models.checks import check_same_call, checked_blocks, checked_images
from mnn_gpu.models.model import Model
from mnn_gpu.nn import network
from mnn_gpu.nn.activations import softmax
from mnn_gpu.nn.parameters import unflatten
from mnn_gpu.step.execution import Run
from mnn_gpu.step.microbatches import joined, microbatch_slices, part_of

Array: TypeAlias = Any

MOST_PROGRAMS = 8
"""Number of batch sizes for which a predictor is compiled; each needs its own memory."""


class _Images(NamedTuple):
    """A batch for `Backend.compile`: (rows, features)."""

    X: Array


class Predictor:
    """A model on a device, compiled for repeated prediction.

    Parameters
    ----------
    model : Model
    backend : Backend, optional
        Default: `select_backend()`.

    Notes
    -----
    Images are processed in shards. The second time a batch size occurs, the predictor is
    compiled for it, see `Backend.compile`; from then on the last bits may differ. Threads may share
    a predictor: while one of them uses the compiled program, images of the others are computed
    without it. A predictor cannot be pickled, because its backend cannot; its model can.
    """

    def __init__(self, model: Model, backend: Backend | None = None) -> None:
        self.model = model
        self.backend = checked_backend(backend)
        with self.backend.translate_errors():
            self._theta = self.backend.asarray(model.theta)
        self._seen: set[int] = set()
        self._compiled: dict[int, tuple[Run, Array]] = {}
        # A compiled program reuses its memory, including that of its result.
        self._lock = Lock()

    def predict(
        self, X: npt.ArrayLike | Dataset | Blocks, *, source: str = "X"
    ) -> npt.NDArray[Any]:
        """Return the most probable label of every image, (rows,); see `predict_proba`.

        X may also be the result of `load_dataset` or `open_blocks`, whose labels, if any, are
        not used; the latter is read while the device computes.
        """
        if isinstance(X, Blocks):
            return self.predict_blocks(X, range(len(X.bounds) - 1))
        return self.labels(checked_images(self.model, X, source))

    def labels(self, pixels: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Return the label of every image, given as uint8 from 0 to 255 or floats from 0 to 1."""
        labels: npt.NDArray[Any] = self.model.classes[self._scores(pixels).argmax(axis=1)]
        return labels

    def predict_blocks(self, blocks: Blocks, which: range) -> npt.NDArray[Any]:
        """Return the most probable label of every image of consecutive blocks, (rows,)."""
        blocks = checked_blocks(self.model, blocks)
        begin, end = blocks.bounds[[which.start, which.stop]]
        labels = np.empty(end - begin, self.model.classes.dtype)
        with closing(prefetch_blocks(blocks, which)) as pieces:
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
            If the pixels are not valid, or their number or names differ from the model's.
        """
        probabilities: npt.NDArray[Any] = softmax(
            self._scores(checked_images(self.model, X, source)).T
        ).T
        return probabilities

    def _scores(self, pixels: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Return the last layer's Z on the host, (rows, classes), given `checked_images`."""
        scores = np.empty((len(pixels), self.model.layer_sizes[-1]), self.model.theta.dtype)
        # Does not wait: the holder may be this thread, interrupted, or the parent of a fork.
        is_held = self._lock.acquire(blocking=False)
        compute = self._device_scores if is_held else self._plain_scores
        try:
            with self.backend.translate_errors():
                for rows in microbatch_slices(len(pixels), self.backend.shard_rows):
                    here = self.backend.asarray(pixels[rows])
                    scores[rows] = self.backend.to_numpy(compute(here))
        finally:
            if is_held:
                self._lock.release()
        return scores

    def _plain_scores(self, X: Array) -> Array:
        """Return Z of (rows, features), in newly allocated memory."""
        (Z,) = self._step(self._theta, None, _Images(X))
        return Z

    def _device_scores(self, X: Array) -> Array:
        """Return Z of (rows, features), compiled if this number of rows occurred before."""
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
        """Return Z of a batch of images, in the form that `Backend.compile` requires."""
        X = batch.X
        workers = self.backend.workers
        shards = microbatch_slices(X.shape[0], -(-self.backend.shard_rows // workers), workers)

        def scores(theta: Array, part: Sequence[slice]) -> Array:
            layers = unflatten(theta, self.model.layer_sizes)
            Z = []
            for rows in part:
                of_shard, _ = network.forward(
                    layers, network.scale_pixels(X[rows, :].T, theta.dtype)
                )
                Z.append(of_shard[-1].T)
            return joined(Z)

        return (joined(self.backend.parallel_map(scores, theta, shards)),)


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
    backend = ranks.checked_backend(backend)
    predictor = ranks.on_all_ranks(lambda: Predictor(model, backend))
    if ranks.size == 1:
        return predictor.predict(X, source=source)
    if not isinstance(X, Blocks):
        raw = X
        X = ranks.on_all_ranks(lambda: checked_images(model, raw, source))
    check_same_call(ranks, "predict", model, predictor.backend, X)
    if isinstance(X, Blocks):
        which = part_of(len(X.bounds) - 1, ranks.rank, ranks.size)
        own = ranks.on_all_ranks(partial(predictor.predict_blocks, X, which))
        return np.concatenate(ranks.allgather(own))
    part = part_of(len(X), ranks.rank, ranks.size)
    mine = X[part.start : part.stop]
    labels = ranks.on_all_ranks(lambda: predictor.labels(mine))
    return np.concatenate(ranks.allgather(labels))
