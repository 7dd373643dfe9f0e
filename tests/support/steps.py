"""The step of a run with its inputs, to compile it and to compare it with the plain one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from mnn_gpu import TrainingConfig
from mnn_gpu.backends import Backend
from mnn_gpu.nn.parameters import flatten, init_parameters, weight_mask
from mnn_gpu.step.batch import Batch
from mnn_gpu.step.sharding import BatchSharding
from mnn_gpu.step.train_step import State, first_state, training_step
from mnn_gpu.training.batches.in_memory import to_device
from mnn_gpu.training.batches.loader import load_batches
from mnn_gpu.training.start import plan_run


def run_inputs(
    backend: Backend, config: TrainingConfig, X: Any, y: Any, sharding: BatchSharding | None = None
) -> tuple[Any, Any, State, Iterator[Batch]]:
    """Return a step, its data, a random first state and the batches of a run on these images."""
    data = to_device(X, y, None, None, config, backend, sharding)
    plan = plan_run(config, data, backend, sharding)
    sizes = plan.task.layer_sizes
    step = training_step(plan.task, plan.optimizer, backend, config.shard_rows, sharding)
    theta = flatten(init_parameters(sizes, np.random.default_rng(1)))
    state = first_state(theta, plan.optimizer, config.dtype, backend.asarray)
    mask = weight_mask(state.theta, sizes) if config.decay else None
    return step, data.step_data(mask), state, (batch for _, batch in load_batches(plan, data))
