"""The state of a fit by gradient descent: rows, learning rates, the optimizer's state."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy.typing as npt
from sklearn.neural_network._stochastic_optimizers import AdamOptimizer, SGDOptimizer

from mnn_gpu.nn.optimizers import Adam, Optimizer, SGDMomentum

Host: TypeAlias = npt.NDArray[Any]


@dataclass
class Split:
    """The rows that a fit uses, and their order.

    Attributes
    ----------
    training, held_out : (m,), integer
    order : (m,), integer
        Order of the training rows in the last epoch; the next one shuffles it further.
    is_finished : bool
        Whether the fit has ended, with no next epoch.
    """

    training: Host
    held_out: Host
    order: Host
    is_finished: bool = False


@dataclass
class SolverState:
    """State that is kept between calls of ``partial_fit``.

    Attributes
    ----------
    schedule : SGDOptimizer or AdamOptimizer
        scikit-learn's, for its learning rates and its decision when to stop.
    optimizer : Optimizer
        The update; as in scikit-learn, changes after the first ``partial_fit`` have no effect.
    steps : int
        Number of updates.
    optimizer_state : list of (parameters,)
        The vectors that the optimizer keeps, on the host.
    """

    schedule: Any
    optimizer: Optimizer
    steps: int = 0
    optimizer_state: list[Host] = field(default_factory=list)

    @property
    def learning_rate(self) -> float:
        """The learning rate of the next epoch, without Adam's bias corrections."""
        of = self.schedule
        return float(of.learning_rate_init if isinstance(of, AdamOptimizer) else of.learning_rate)


def solver_of(estimator: Any) -> SolverState:
    """Return a new solver, according to the parameters."""
    rate = estimator.learning_rate_init
    if estimator.solver == "adam":
        adam = Adam(estimator.beta_1, estimator.beta_2, estimator.epsilon, epsilon_hat=True)
        return SolverState(AdamOptimizer([], rate), adam)
    kind, power = estimator.learning_rate, estimator.power_t
    momentum = SGDMomentum(estimator.momentum, nesterov=estimator.nesterovs_momentum)
    return SolverState(SGDOptimizer([], rate, lr_schedule=kind, power_t=power), momentum)
