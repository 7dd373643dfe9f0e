"""One training step, a pure function ``(data, state, batch) -> state`` over the namespace.

It goes through `Backend.compile`; nothing in it reads a value back to the host. The data
stay where they are: a batch only names the rows it is made of, and brings the random
numbers that they are deformed and thinned out with.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial, reduce
from operator import add
from typing import Any, NamedTuple, Protocol, TypeAlias

from array_api_compat import array_namespace

from mnn_gpu import network
from mnn_gpu.augmentation import deform
from mnn_gpu.optimizers import Optimizer
from mnn_gpu.regularisation import (
    NONE,
    Regularisation,
    clipping_factor,
    hidden_masks,
    keep_mask,
    norm_factors,
    smoothed,
)
from mnn_gpu.shards import Shard, joined, shard_slices

Array: TypeAlias = Any
OfPart: TypeAlias = Callable[[Array, Sequence[Any]], Any]
Update: TypeAlias = Callable[..., tuple[Array, ...]]


@dataclass(frozen=True, kw_only=True)
class Task:
    """What the steps of a training have in common.

    Attributes
    ----------
    layer_sizes : sequence of int
    regularisation : Regularisation
    image_shape : (height, width) or None
        Of the images, if they are to be deformed.
    """

    layer_sizes: Sequence[int]
    regularisation: Regularisation = NONE
    image_shape: tuple[int, int] | None = None


class Engine(Protocol):
    """How a step is spread over a device; every `Backend` is one, and `Plain`."""

    @property
    def shard_rows(self) -> int: ...
    @property
    def cached(self) -> int: ...
    @property
    def lanes(self) -> int: ...
    def fuse(self, update: Update, /) -> Update: ...
    def spread(self, function: OfPart, array: Array, items: Sequence[Any], /) -> list[Any]: ...


@dataclass(frozen=True)
class Plain:
    """Everything at once, in the order in which it is written."""

    shard_rows: int = 2**31
    cached: int = 2**31
    lanes: int = 1

    def fuse(self, update: Update) -> Update:
        return update

    def spread(self, function: OfPart, array: Array, items: Sequence[Any]) -> list[Any]:
        return [function(array, items)]


class State(NamedTuple):
    """What a step changes; all on the device.

    Attributes
    ----------
    theta : (parameters,), floating
    slots : tuple of (parameters,)
        The optimizer's memory.
    loss : (), floating
        Cross-entropy summed over the samples seen since it was last set to 0.
    correct : (), int32
        How many of them were answered rightly.
    finite_steps : (), int32
        How many steps had a finite loss: the first one that had not is the next.
    """

    theta: Array
    slots: tuple[Array, ...]
    loss: Array
    correct: Array
    finite_steps: Array


def first_state(
    theta: Array, optimizer: Optimizer, dtype: str, asarray: Callable[..., Array]
) -> State:
    """Return the state before the first step.

    Parameters
    ----------
    theta : (parameters,), on the host
    optimizer : Optimizer
    dtype : str
        Of theta and the slots on the device.
    asarray : callable
        `Backend.asarray`. Each array is made anew, since a compiled step may take it over.
    """
    return State(
        theta=asarray(theta, dtype=dtype),
        slots=tuple(asarray(theta * 0, dtype=dtype) for _ in range(optimizer.slots)),
        loss=asarray(0.0, dtype=dtype),
        correct=asarray(0, dtype="int32"),
        finite_steps=asarray(0, dtype="int32"),
    )


class Data(NamedTuple):
    """What every step sees and none changes; all on the device.

    Attributes
    ----------
    X : (rows, features), uint8 or floating
    labels : (rows,), int32
    shards : sequence of (X, labels)
        All rows, cut for steps that use them all.
    is_weight : (parameters,) or None
        See `Optimizer.update`.
    basis : (pictures, features) or None
        Of deformations, see `augmentation`.
    """

    X: Array
    labels: Array
    shards: Sequence[Shard]
    is_weight: Array | None = None
    basis: Array | None = None


class Batch(NamedTuple):
    """What a step is given; all on the device.

    Attributes
    ----------
    scalars : (scalars,), floating
        The optimizer's.
    rows : (m,), integer, or None
        Which samples to use; None: all of them, as they are.
    warps : (m, 2, pictures), floating, or None
        How to deform each, see `augmentation`.
    noise : (bytes,), uint8, or None
        For dropout: (m, features) for the inputs, then (hidden units, m), each if wanted.
    """

    scalars: Array
    rows: Array | None = None
    warps: Array | None = None
    noise: Array | None = None


class Samples(NamedTuple):
    """A shard with what is random about it.

    Attributes
    ----------
    X : (features, m), uint8 or floating
    labels : (m,), int32
    warps : (m, 2, pictures) or None
    input_noise : (m, features), uint8, or None
    hidden_noise : (hidden units, m), uint8, or None
    """

    X: Array
    labels: Array
    warps: Array | None = None
    input_noise: Array | None = None
    hidden_noise: Array | None = None


class Sums(NamedTuple):
    """Sums over samples: of the gradient, each sample's share; of the rest, all.

    Attributes
    ----------
    gradient : (parameters,), floating
    loss : (), floating
    correct : (), int32
    """

    gradient: Array
    loss: Array
    correct: Array


Step: TypeAlias = Callable[[Data, State, Batch], State]
PLAIN = Plain()


# ---- the samples of a step -------------------------------------------------------------


def batch_samples(
    data: Data, batch: Batch, task: Task, shard_rows: int, lanes: int = 1
) -> list[Samples]:
    """Return the shards of a batch; see `shards.shard_slices`."""
    if batch.rows is None:
        return [Samples(*shard) for shard in data.shards]
    xp = array_namespace(batch.rows)
    X, labels = (xp.take(array, batch.rows, axis=0) for array in (data.X, data.labels))
    m, input_noise, hidden_noise = X.shape[0], None, None
    if batch.noise is not None:
        inputs, hidden = task.regularisation.noise_sizes(task.layer_sizes)
        input_noise = xp.reshape(batch.noise[: m * inputs], (m, inputs))
        hidden_noise = xp.reshape(batch.noise[m * inputs : m * (inputs + hidden)], (hidden, m))
    return [
        Samples(
            X[rows, :].T,
            labels[rows],
            None if batch.warps is None else batch.warps[rows, :, :],
            None if input_noise is None else input_noise[rows, :],
            None if hidden_noise is None else hidden_noise[:, rows],
        )
        for rows in shard_slices(m, shard_rows, lanes)
    ]


def inputs_of(
    samples: Samples, task: Task, basis: Array | None, dtype: Any, engine: Engine = PLAIN
) -> Array:
    """Return what the network sees of the samples: (features, m), floating.

    Images are deformed a few at a time, so that what lies between stays in the cache.
    """
    X = samples.X
    if samples.warps is None or task.image_shape is None:
        X = network.unit_range(X, dtype)
    else:
        pixels, warps, shape = X.T, samples.warps, task.image_shape

        def deformed(basis: Array, part: Sequence[slice]) -> Array:
            return joined(
                [
                    deform(
                        network.unit_range(pixels[few, :], dtype), warps[few, :, :], basis, shape
                    )
                    for few in part
                ]
            )

        features, m = X.shape
        few = shard_slices(m, max(engine.cached // features, 1), engine.lanes)
        X = joined(engine.spread(deformed, basis, few)).T
    share = task.regularisation.input_dropout
    if samples.input_noise is not None and share:
        X = X * keep_mask(samples.input_noise, share, dtype).T
    return X


# ---- the gradient ----------------------------------------------------------------------


def shard_sums(
    theta: Array,
    task: Task,
    share: float,
    samples: Samples,
    basis: Array | None = None,
    engine: Engine = PLAIN,
) -> Sums:
    """Return one shard's part of the mean gradient, its loss and its right answers."""
    sizes, regularisation = task.layer_sizes, task.regularisation
    layers = network.unflatten(theta, sizes)
    X = inputs_of(samples, task, basis, theta.dtype, engine)
    Y = network.one_hot(samples.labels, sizes[-1], theta.dtype)
    masks: list[Array] = []
    if samples.hidden_noise is not None and regularisation.dropout:
        masks = hidden_masks(samples.hidden_noise, sizes, regularisation.dropout, theta.dtype)
    Z, A = network.forward(layers, X, masks)
    wanted = smoothed(Y, regularisation.label_smoothing) if regularisation.label_smoothing else Y
    gradient = network.flatten(network.backward(layers, Z, A, X, wanted, share, masks))
    return Sums(gradient, *network.score(Z[-1], Y))


def batch_sums(
    theta: Array,
    task: Task,
    shards: Sequence[Samples],
    basis: Array | None = None,
    engine: Engine = PLAIN,
) -> Sums:
    """Return a batch's mean gradient, its loss and its right answers.

    The gradients of several shards are added up in float64: then the order of adding
    hardly matters, so neither does the shards' number. (Where a library has no float64,
    as JAX by default, in the widest float it has.)
    """
    share = 1 / sum(samples.X.shape[1] for samples in shards)
    if len(shards) == 1:
        return shard_sums(theta, task, share, shards[0], basis, engine)
    # Within a lane there are no more lanes.
    alone = Plain(cached=engine.cached)

    def part_sums(theta: Array, part: Sequence[Samples]) -> Sums:
        of_shard = partial(shard_sums, theta, task, share, basis=basis, engine=alone)
        return _added(_widened(of_shard(samples)) for samples in part)

    return _added(engine.spread(part_sums, theta, shards))


def _widened(sums: Sums) -> Sums:
    xp = array_namespace(sums.gradient)
    wide = xp.__array_namespace_info__().default_dtypes()["real floating"]
    wide = xp.result_type(sums.gradient.dtype, wide)
    return sums._replace(gradient=xp.astype(sums.gradient, wide))


def _added(several: Iterable[Sums]) -> Sums:
    """Add up one by one, so that a long batch's gradients need not be kept."""
    return reduce(lambda total, more: Sums(*map(add, total, more)), several)


# ---- the step --------------------------------------------------------------------------


def training_step(
    task: Task,
    optimizer: Optimizer,
    engine: Engine = PLAIN,
    shard_rows: int | None = None,
) -> Step:
    """Return a step ``(data, state, batch) -> state`` that follows the gradient.

    Parameters
    ----------
    task : Task
    optimizer : Optimizer
    engine : Engine
        Usually the `Backend`.
    shard_rows : int, optional
        See `batch_samples`. Default: what the engine likes.
    """
    updated = _updating(task, optimizer, engine)

    def step(data: Data, state: State, batch: Batch) -> State:
        xp = array_namespace(state.theta)
        shards = batch_samples(data, batch, task, shard_rows or engine.shard_rows, engine.lanes)
        sums = batch_sums(state.theta, task, shards, data.basis, engine)
        theta, *slots = updated(state, sums.gradient, data.is_weight, batch.scalars)
        return State(
            theta=theta,
            slots=tuple(slots),
            loss=state.loss + sums.loss,
            correct=state.correct + sums.correct,
            finite_steps=state.finite_steps + xp.astype(xp.isfinite(sums.loss), xp.int32),
        )

    return step


def _updating(task: Task, optimizer: Optimizer, engine: Engine) -> Callable[..., Sequence[Array]]:
    """Return how theta and the slots come out of a gradient, by fused functions of vectors."""
    longest, max_norm = task.regularisation.clip_norm, task.regularisation.max_norm

    def update(
        theta: Array, gradient: Array, is_weight: Array | None, factor: Array | None, *rest: Array
    ) -> tuple[Array, ...]:
        scalars, slots = rest[: len(rest) - optimizer.slots], rest[len(rest) - optimizer.slots :]
        xp = array_namespace(theta)
        gradient = xp.astype(gradient, theta.dtype, copy=False)
        if factor is not None:
            gradient = gradient * factor
        theta, after = optimizer.update(theta, gradient, is_weight, scalars, slots)
        return theta, *after

    fused = engine.fuse(update)
    scale = engine.fuse(lambda theta, factors: (theta * factors,))

    def updated(
        state: State, gradient: Array, is_weight: Array | None, scalars: Array
    ) -> Sequence[Array]:
        xp = array_namespace(state.theta)
        numbers = [scalars[i, ...] for i in range(scalars.shape[0])]
        factor = None
        if longest is not None:
            factor = xp.astype(clipping_factor(gradient, longest), state.theta.dtype, copy=False)
        theta, *slots = fused(state.theta, gradient, is_weight, factor, *numbers, *state.slots)
        if max_norm is not None:
            (theta,) = scale(theta, norm_factors(theta, task.layer_sizes, max_norm))
        return theta, *slots

    return updated
