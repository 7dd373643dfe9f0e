"""Sets up a run: its data on the device, its plan and its first state."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

import numpy as np
import numpy.typing as npt

from mnn_gpu.backends import Backend
from mnn_gpu.data.dataset import Dataset, check_labelled
from mnn_gpu.data.open_blocks import Blocks
from mnn_gpu.distributed.process_group import ProcessGroup
from mnn_gpu.errors import UsageError
from mnn_gpu.nn.optimizers import Optimizer
from mnn_gpu.nn.parameters import flatten, init_parameters, parameter_count
from mnn_gpu.step.batch import NetworkSpec
from mnn_gpu.step.sharding import BatchSharding
from mnn_gpu.step.train_step import State, first_state
from mnn_gpu.training.batches.device_data import DeviceData, Labelled
from mnn_gpu.training.batches.in_memory import to_device
from mnn_gpu.training.batches.plan import BatchPlan
from mnn_gpu.training.batches.streaming import stream_to_device
from mnn_gpu.training.config import TrainingConfig
from mnn_gpu.training.early_stopping import check_held_out
from mnn_gpu.training.run import TrainingRun
from mnn_gpu.utils.random_streams import PARAMETERS, generator

MAX_MEMORY = 2**44
"""Bytes; the limit where a device does not report its free memory."""
WORK_VECTORS = 5
"""Vectors as long as the parameters that a step needs, besides the optimizer's."""


@contextmanager
def working(config: TrainingConfig, backend: Backend) -> Iterator[None]:
    """Return the context in which a run works on its device."""
    # An overflow is no warning here: it ends in a DivergedError.
    one_thread = nullcontext() if config.shards is None else backend.single_threaded()
    with backend.translate_errors(), one_thread, np.errstate(all="ignore"):
        yield


def start_run(
    X: npt.ArrayLike | Dataset | Blocks,
    y: npt.ArrayLike | None,
    config: TrainingConfig,
    backend: Backend,
    validation: Labelled | None,
    classes: npt.ArrayLike | None,
    ranks: ProcessGroup,
) -> TrainingRun:
    """Bring the data to the device and return a run before its first update.

    Parameters and exceptions are those of `train`.
    """
    check_held_out(config, validation is not None)
    backend.dtype(config.dtype)  # Raises an error if the device does not have it.
    sharding = None
    if config.shards is not None:
        sharding = BatchSharding(config.shards, ranks.rank, ranks.size, not config.fast_reduce)
    where = classes, config, backend, sharding
    data: DeviceData
    if isinstance(X, Blocks):
        check_labelled(X.source, X.labelled, y)
        data = stream_to_device(X, validation, *where)
    else:
        data = to_device(X, y, validation, *where)
    plan = plan_run(config, data, backend, sharding)
    state = _first_state(config, plan.optimizer, plan.task, backend)
    return TrainingRun(config, backend, ranks, plan.task, data, plan, state)


def plan_run(
    config: TrainingConfig,
    data: DeviceData,
    backend: Backend,
    sharding: BatchSharding | None = None,
) -> BatchPlan:
    """Return the network of a run and the plan of its batches."""
    task = NetworkSpec(
        layer_sizes=(data.features, *config.hidden, len(data.classes)),
        regularization=config.regularization,
        image_shape=data.image_shape,
        input_scale=data.input_scale,
        matmul_precision=config.matmul_precision,
    )
    fields = 0 if data.basis is None else int(data.basis.shape[0])
    return BatchPlan(config, task, backend, data.rows, fields, sharding)


def _first_state(
    config: TrainingConfig, optimizer: Optimizer, task: NetworkSpec, backend: Backend
) -> State:
    """Return the first state, after a check that the device can hold the parameters."""
    vectors = WORK_VECTORS + 2 * optimizer.state_size
    needed = parameter_count(task.layer_sizes) * np.dtype(config.dtype).itemsize * vectors
    memory = backend.memory()
    if needed > (memory.free or memory.total or MAX_MEMORY):
        raise UsageError(
            f"A network of {'-'.join(map(str, task.layer_sizes))} needs "
            f"{needed / 2**30:,.0f} GiB to train.",
            "Take fewer units with --hidden.",
        )
    rng = generator(PARAMETERS, config.seed)
    theta = flatten(init_parameters(task.layer_sizes, rng, config.init))
    return first_state(theta, optimizer, config.dtype, backend.asarray)
