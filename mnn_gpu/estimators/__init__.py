"""scikit-learn's multilayer perceptrons, computed by this package on the CPU or a GPU.

`MLPClassifier` and `MLPRegressor` are subclasses of scikit-learn's, with its parameters and
warnings; only the computation is replaced: `sgd_fit.py` and `lbfgs_fit.py` are the two kinds of
training, `base.py` connects them, `device_arrays.py` keeps arrays on a GPU in place, and
`multi_rank.py` keeps the ranks of an MPI program synchronized.
"""

from mnn_gpu.utils.packages import require

require("numpy", "sklearn", "scipy")

from mnn_gpu.estimators.classifier import MLPClassifier
from mnn_gpu.estimators.regressor import MLPRegressor

__all__ = ["MLPClassifier", "MLPRegressor"]
