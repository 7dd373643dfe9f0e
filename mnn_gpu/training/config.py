"""What to train: a small readable value. The default is the notebook's recipe."""

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
        Whether to train on inputs whose mean square is 1, as "he" and "glorot" assume. The
        model's first weights make up for it, so it takes pixels like any other.
    pixel_max : float, optional
        What stands for 1 among the pixels. Default: the smallest of 1, 16, 255 and 65,535 that no
        training pixel exceeds.
    learning_rate : float
        The formulas' alpha.
    iterations, epochs : int, optional
        When to stop: after so many updates, or so many passes over the data. Give at
        most one; with neither, 1,000 iterations.
    batch_size : int, optional
        Samples an update. Default: all of them (full-batch gradient descent).
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
        constant; see `optimizers`.
    warmup : float
        Share of the training in which the learning rate first rises from 0; below 1.
    clip_norm : float, optional
        The longest that a batch's mean gradient may be.
    dropout, input_dropout : float
        Share of hidden units, and of inputs, left out at random; in whole 256ths.
    label_smoothing : float
        Share of each label that is spread over all classes; below 1.
    max_norm : float, optional
        The longest that the weights of a hidden unit may be, as a vector.
    augmentation : Augmentation, optional
        How images are deformed, anew every time. Default: not at all.
    image_shape : (height, width), optional
        For the augmentation. Default: that of the images if they come in three
        dimensions, otherwise square.
    patience : int, optional
        Stop after so many records without a better one, and go back to the best one's
        parameters. Better is a higher held-out accuracy, or the same and a lower loss.
        Default: never.
    target_accuracy : float, optional
        Stop at the first record with at least this accuracy, 0 to 1, on the held-out rows
        if there are any, otherwise in training. Default: never.
    shard_rows : int, optional
        A batch is worked on in shards of so many samples, whose gradient sums are added
        up; bounds the memory of a step. Default: what suits the device.
    shards : int, optional
        Cut each batch into so many shards whose gradients are added up in a fixed order. With
        them any number of ranks comes to the same bits, see `train`. Default: as it suits the
        device; among several ranks 8, or with more ranks the next power of 2.
    fast_reduce : bool
        Whether the gradients of shards are added up, and sent, in ``dtype`` instead of
        float64.
    seed : int
        Decides everything that is random: parameters, order, deformations, dropout.
    dtype : {"float32", "float64"}
        Of the parameters and of all arithmetic.
    matmul_precision : {"full", "tf32", "bf16"}
        To how many significant bits the operands of the network's matrix products are rounded
        in training, before they are multiplied and added up in float32: not at all, 11, or 8.
        On a GPU its tensor cores are used then; elsewhere it shows what that costs in accuracy.
        Records and predictions have all bits.
    report_every : int, optional
        Iterations between two records of the history. Default: 100 with full batches,
        one epoch with minibatches.

    Raises
    ------
    UsageError
        If a value cannot be meant; the message says which and what to give instead.
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
        """The weight decay, where none is given that of the optimizer."""
        if self.weight_decay is None:
            return ADAMW_DECAY if self.optimizer == "adamw" else 0.0
        return self.weight_decay

    def make_schedule(self) -> Schedule:
        """Return the schedule of the learning rate, with the warm-up."""
        schedule = SCHEDULES[self.schedule]
        return with_warmup(schedule, self.warmup) if self.warmup else schedule

    @property
    def regularization(self) -> Regularization:
        """What is done against learning by heart, besides the optimizer's decay."""
        return Regularization(
            dropout=self.dropout,
            input_dropout=self.input_dropout,
            label_smoothing=self.label_smoothing,
            max_norm=self.max_norm,
            clip_norm=self.clip_norm,
        )

    @property
    def is_random(self) -> bool:
        """Whether a sample looks otherwise each time that it is used."""
        return self.augmentation is not None or bool(self.dropout or self.input_dropout)

    def steps_per_epoch(self, rows: int) -> int:
        """Return the number of updates in one pass over ``rows`` samples."""
        return math.ceil(rows / (self.batch_size or rows))

    def total_iterations(self, rows: int) -> int:
        """Return the number of updates of the whole training."""
        if self.epochs is not None:
            return self.epochs * self.steps_per_epoch(rows)
        return self.iterations or DEFAULT_ITERATIONS

    def reporting_interval(self, rows: int) -> int:
        """Return the number of iterations between two records."""
        if self.report_every is not None:
            return self.report_every
        return 100 if self.steps_per_epoch(rows) == 1 else self.steps_per_epoch(rows)
