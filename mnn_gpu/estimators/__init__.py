"""scikit-learn's multilayer perceptrons on our mathematics, on the CPU or a GPU.

`MLPClassifier` and `MLPRegressor` are scikit-learn's own classes, from their parameters to
their warnings; only what computes is replaced: `stochastic.py` and `lbfgs.py` are the two
ways to train, `perceptron.py` hooks them in, `device_arrays.py` lets arrays of a GPU stay
where they are, `together.py` keeps the ranks of an MPI program alike.
"""

from mnn_gpu.errors import UsageError

try:
    import sklearn  # noqa: F401
except ImportError as error:
    raise UsageError(
        "mnn_gpu.MLPClassifier and MLPRegressor need scikit-learn 1.7 or newer.",
        'Install it: pip install "mnn_gpu[sklearn]".',
    ) from error

from mnn_gpu.estimators.classifier import MLPClassifier
from mnn_gpu.estimators.regressor import MLPRegressor

__all__ = ["MLPClassifier", "MLPRegressor"]
