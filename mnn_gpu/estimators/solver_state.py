"""What a fit by gradient descent remembers: rows, learning rates, the optimizer's memory."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy.typing as npt
from sklearn.neural_network._stochastic_optimizers import AdamOptimizer, SGDOptimizer

from mnn_gpu.nn.optimizers import Adam, Optimizer, SGDMomentum

Host: TypeAlias = npt.NDArray[Any]


@dataclass
class Split:
    """Which rows a fit goes through, and in which order.

    Attributes
    ----------
    training, held_out : (m,), integer
    order : (m,), integer
        Of the last epoch, of the training rows; the next one shuffles it further.
    is_finished : bool
        Whether the fit is over: there is no next epoch.
    """

    training: Host
    held_out: Host
    order: Host
    is_finished: bool = False


@dataclass
class SolverState:
    """What goes on from one call of ``partial_fit`` to the next.

    Attributes
    ----------
    schedule : SGDOptimizer or AdamOptimizer
        scikit-learn's, for its learning rates and its word on when to stop.
    optimizer : Optimizer
        The update; as there, what is set after the first ``partial_fit`` comes too late.
    steps : int
        Updates made.
    optimizer_state : list of (parameters,)
        The vectors that the optimizer keeps, on the host.
    """

    schedule: Any
    optimizer: Optimizer
    steps: int = 0
    optimizer_state: list[Host] = field(default_factory=list)

    @property
    def learning_rate(self) -> float:
        """What the next epoch uses; Adam's own corrections apart."""
        of = self.schedule
        return float(of.learning_rate_init if isinstance(of, AdamOptimizer) else of.learning_rate)


def solver_of(estimator: Any) -> SolverState:
    """Return a new solver, as the parameters say."""
    rate = estimator.learning_rate_init
    if estimator.solver == "adam":
        return SolverState(AdamOptimizer([], rate), optimizer_of(estimator))
    kind, power = estimator.learning_rate, estimator.power_t
    schedule = SGDOptimizer([], rate, lr_schedule=kind, power_t=power)
    return SolverState(schedule, optimizer_of(estimator))


def optimizer_of(estimator: Any) -> Optimizer:
    """Return the update that the parameters name."""
    if estimator.solver == "adam":
        betas = estimator.beta_1, estimator.beta_2
        return Adam(*betas, epsilon=estimator.epsilon, epsilon_hat=True)
    return SGDMomentum(estimator.momentum, nesterov=estimator.nesterovs_momentum)
