"""The configuration of a run: a small readable value. The default is the notebook's recipe."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from typing import Literal

from mnn_gpu.errors import UsageError
from mnn_gpu.nn.augmentation import Augmentation
from mnn_gpu.nn.matmul_precision import FULL
from mnn_gpu.nn.optimizers import ADAMW_DECAY, Optimizer, make_optimizer
from mnn_gpu.nn.regularization import Regularization
from mnn_gpu.nn.schedules import SCHEDULES, Schedule, with_warmup
from mnn_gpu.training.settings import SETTINGS

DEFAULT_ITERATIONS = 1000


@dataclass(frozen=True, kw_only=True)
class TrainingConfig:
    """A recipe for training. Without arguments: the notebook's.

    Attributes
    ----------
    hidden : tuple of int
        Units of the hidden layers, first to last; empty for softmax regression.
    init : {"notebook", "he", "glorot"}
        How the first parameters are drawn, see `parameters.init_parameters`.
    scale_inputs : bool
        Whether to train on inputs whose mean square is 1, as "he" and "glorot" assume. The scale
        is folded into the model's first weights, so prediction takes the usual pixels.
    pixel_max : float, optional
        The pixel value that is scaled to 1. Default: the smallest of 1, 16, 255 and 65,535 that no
        training pixel exceeds.
    learning_rate : float
        The formulas' alpha.
    iterations, epochs : int, optional
        Number of updates, or of passes over the data. Give at most one. Default: 1,000 iterations.
    batch_size : int, optional
        Samples per update. Default: all of them (full-batch gradient descent).
    optimizer : {"sgd", "momentum", "nesterov", "adam", "adamw"}
        See `optimizers`.
    momentum : float
        Of "momentum" and "nesterov"; 0 to 1.
    beta1, beta2 : float
        Of "adam" and "adamw"; 0 to 1.
    weight_decay : float, optional
        How strongly weights, not biases, are pulled towards 0; decoupled with "adamw".
        Default: 0.01 with "adamw", otherwise 0.
    ema_decay : float
        Use an exponential moving average of the parameters with this decay, such as
        0.999, instead of the last ones; 0 for none.
    schedule : {"constant", "step", "linear", "cosine", "one-cycle"}
        How the learning rate goes from its first value to 0, or nearly so, if not
        constant; see `schedules`.
    warmup : float
        Fraction of the run in which the learning rate first rises from 0; below 1.
    clip_norm : float, optional
        Largest norm of a batch's mean gradient.
    dropout, input_dropout : float
        Fraction of hidden units, and of inputs, left out at random; in whole 256ths.
    label_smoothing : float
        Fraction of each label that is spread over all classes; below 1.
    max_norm : float, optional
        Largest norm of the weights of a hidden unit.
    augmentation : Augmentation, optional
        How images are deformed, at random in every epoch. Default: not at all.
    image_shape : (height, width), optional
        For the augmentation. Default: that of the images if they come in three
        dimensions, otherwise square.
    patience : int, optional
        Stop after this number of records without a better one, and restore the parameters of
        the best one. Better is a higher held-out accuracy, or the same and a lower loss.
        Default: never.
    target_accuracy : float, optional
        Stop at the first record with at least this accuracy, 0 to 1, on the held-out rows
        if there are any, otherwise in training. Default: never.
    shard_rows : int, optional
        Process a batch in microbatches of this number of samples, whose gradients are summed;
        this limits the memory of a step. Default: depends on the device.
    shards : int, optional
        Split each batch into this number of shards, whose gradients are summed in a fixed order.
        Then the result is bit-identical for any number of ranks, see `train`. Default: depends on
        the device; with several ranks 8, or the next power of 2 above their number.
    fast_reduce : bool
        Whether the gradients of shards are summed, and sent, in ``dtype`` instead of float64.
    seed : int
        Seed of all random numbers: parameters, order, deformations, dropout.
    dtype : {"float32", "float64"}
        Of the parameters and of all arithmetic.
    matmul_precision : {"full", "tf32", "bf16"}
        Significant bits to which the operands of the network's matrix products are rounded in
        training, before they are multiplied and summed in float32: all, 11, or 8. A GPU then uses
        its tensor cores; elsewhere the rounding is simulated, to measure its cost in accuracy.
        Records and predictions use full precision.
    report_every : int, optional
        Iterations between two records of the history. Default: 100 with full batches,
        one epoch with minibatches.

    Raises
    ------
    UsageError
        If a value is invalid; the message names it and a valid one.
    """

    hidden: tuple[int, ...] = (10, 10)
    init: str = "notebook"
    scale_inputs: bool = False
    pixel_max: float | None = None
    learning_rate: float = 0.1
    iterations: int | None = None
    epochs: int | None = None
    batch_size: int | None = None
    optimizer: str = "sgd"
    momentum: float = 0.9
    beta1: float = 0.9
    beta2: float = 0.999
    weight_decay: float | None = None
    ema_decay: float = 0.0
    schedule: str = "constant"
    warmup: float = 0.0
    clip_norm: float | None = None
    dropout: float = 0.0
    input_dropout: float = 0.0
    label_smoothing: float = 0.0
    max_norm: float | None = None
    augmentation: Augmentation | None = None
    image_shape: tuple[int, int] | None = None
    patience: int | None = None
    target_accuracy: float | None = None
    shard_rows: int | None = None
    shards: int | None = None
    fast_reduce: bool = False
    seed: int = 0
    dtype: Literal["float32", "float64"] = "float32"
    matmul_precision: Literal["full", "tf32", "bf16"] = "full"
    report_every: int | None = None

    def __post_init__(self) -> None:
        for field in fields(self):
            value, setting = getattr(self, field.name), SETTINGS.get(field.name)
            if setting is not None and (value is not None or field.default is not None):
                object.__setattr__(self, field.name, setting.check(field.name, value))
        if self.iterations is not None and self.epochs is not None:
            raise UsageError("Both iterations and epochs are given.", "Give only one of them.")
        if not isinstance(self.augmentation, Augmentation | None):
            raise UsageError(
                f"augmentation is {self.augmentation!r}.", "Give mnn_gpu.Augmentation(...) or None."
            )
        if self.matmul_precision != FULL and self.dtype != "float32":
            raise UsageError(
                f"Products of {self.dtype} cannot be {self.matmul_precision}.",
                'Use dtype "float32", or matmul_precision "full".',
            )

    def make_optimizer(self) -> Optimizer:
        """Return the optimizer, with weight decay and average."""
        return make_optimizer(
            self.optimizer,
            momentum=self.momentum,
            beta1=self.beta1,
            beta2=self.beta2,
            weight_decay=self.decay,
            ema_decay=self.ema_decay,
        )

    @property
    def decay(self) -> float:
        """The weight decay; if none is given, the default of the optimizer."""
        if self.weight_decay is None:
            return ADAMW_DECAY if self.optimizer == "adamw" else 0.0
        return self.weight_decay

    def make_schedule(self) -> Schedule:
        """Return the schedule of the learning rate, with the warm-up."""
        schedule = SCHEDULES[self.schedule]
        return with_warmup(schedule, self.warmup) if self.warmup else schedule

    @property
    def regularization(self) -> Regularization:
        """The regularization besides weight decay."""
        return Regularization(
            dropout=self.dropout,
            input_dropout=self.input_dropout,
            label_smoothing=self.label_smoothing,
            max_norm=self.max_norm,
            clip_norm=self.clip_norm,
        )

    @property
    def is_random(self) -> bool:
        """Whether samples change at random from use to use."""
        return self.augmentation is not None or bool(self.dropout or self.input_dropout)

    def steps_per_epoch(self, rows: int) -> int:
        """Return the number of updates in one pass over ``rows`` samples."""
        return math.ceil(rows / (self.batch_size or rows))

    def total_iterations(self, rows: int) -> int:
        """Return the number of updates of the whole run."""
        if self.epochs is not None:
            return self.epochs * self.steps_per_epoch(rows)
        return self.iterations or DEFAULT_ITERATIONS

    def reporting_interval(self, rows: int) -> int:
        """Return the number of iterations between two records."""
        if self.report_every is not None:
            return self.report_every
        return 100 if self.steps_per_epoch(rows) == 1 else self.steps_per_epoch(rows)
