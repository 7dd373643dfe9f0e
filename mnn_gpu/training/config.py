"""What to train: a small readable value. The default is the notebook's recipe."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from mnn_gpu.errors import UsageError
from mnn_gpu.nn.augmentation import Augmentation
from mnn_gpu.nn.matmul_precision import FULL, MATMUL_PRECISIONS
from mnn_gpu.nn.optimizers import ADAMW_DECAY, OPTIMIZERS, Optimizer, make_optimizer
from mnn_gpu.nn.parameters import INITS
from mnn_gpu.nn.regularization import LEVELS, Regularization
from mnn_gpu.nn.schedules import SCHEDULES, Schedule, with_warmup
from mnn_gpu.utils.validation import number_in, one_of, positive, several, whole

DEFAULT_ITERATIONS = 1000
MOST_UNITS = 2**31 - 1


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
        hidden = several(self.hidden)
        self._set("hidden", tuple(whole("hidden", units, 1, MOST_UNITS) for units in hidden))
        for name in COUNTS:
            if getattr(self, name) is not None:
                self._set(name, whole(name, getattr(self, name), 1))
        self._set("seed", whole("seed", self.seed, 0))
        # A NumPy float64 would turn all that it is multiplied with into float64.
        self._set("learning_rate", positive("learning_rate", self.learning_rate))
        for name, such_as in (("clip_norm", 1), ("max_norm", 2), ("pixel_max", 255)):
            if getattr(self, name) is not None:
                self._set(name, positive(name, getattr(self, name), such_as))
        for name in SHARES:
            self._set(name, number_in(name, getattr(self, name), "from 0 up to below 1", _is_share))
        for name in ("dropout", "input_dropout"):
            self._set(
                name,
                number_in(name, getattr(self, name), "from 1/256 to 255/256, or 0", _is_dropout),
            )
        if self.weight_decay is not None:
            decay = number_in("weight_decay", self.weight_decay, "from 0 up", _is_not_negative)
            self._set("weight_decay", decay)
        if self.target_accuracy is not None:
            accuracy = number_in(
                "target_accuracy", self.target_accuracy, "above 0, up to 1", _is_accuracy
            )
            self._set("target_accuracy", accuracy)
        if self.iterations is not None and self.epochs is not None:
            raise UsageError("Both iterations and epochs are given.", "Give only one of them.")
        if self.image_shape is not None:
            self._set("image_shape", _shape(self.image_shape))
        if not isinstance(self.augmentation, Augmentation | None):
            raise UsageError(
                f"augmentation is {self.augmentation!r}.", "Give mnn_gpu.Augmentation(...) or None."
            )
        for name in ("scale_inputs", "fast_reduce"):
            if not isinstance(getattr(self, name), bool):
                raise UsageError(f"{name} is {getattr(self, name)!r}.", "Give True or False.")
        one_of("init", self.init, INITS)
        one_of("optimizer", self.optimizer, OPTIMIZERS)
        one_of("schedule", self.schedule, SCHEDULES)
        one_of("dtype", self.dtype, ("float32", "float64"))
        one_of("matmul_precision", self.matmul_precision, MATMUL_PRECISIONS)
        if self.matmul_precision != FULL and self.dtype != "float32":
            raise UsageError(
                f"Products of {self.dtype} cannot be {self.matmul_precision}.",
                'Take dtype "float32", or matmul_precision "full".',
            )

    def _set(self, name: str, value: object) -> None:
        object.__setattr__(self, name, value)

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


COUNTS = ("iterations", "epochs", "batch_size", "patience", "shard_rows", "shards", "report_every")
SHARES = (
    "momentum",
    "beta1",
    "beta2",
    "ema_decay",
    "warmup",
    "label_smoothing",
)


DROPOUT_RANGE = "from 1/256 to 255/256, or 0"


def _is_share(number: float) -> bool:
    return 0 <= number < 1


def _is_dropout(number: float) -> bool:
    return number == 0 or (1 / LEVELS <= number <= 1 - 1 / LEVELS)


def _is_not_negative(number: float) -> bool:
    return 0 <= number < math.inf


def _is_accuracy(number: float) -> bool:
    return 0 < number <= 1


def _shape(value: object) -> tuple[int, int]:
    sides = several(value)
    if len(sides) != 2:
        raise UsageError(f"image_shape is {value!r}.", "Give height and width, such as (28, 28).")
    height, width = (whole("image_shape", side, 2, MOST_UNITS) for side in sides)
    return height, width
