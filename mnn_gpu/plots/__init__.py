"""Plots of models and training runs, as Matplotlib figures.

Each function returns a `matplotlib.figure.Figure`, created without pyplot, so no figure is kept
open or shown automatically: a notebook shows the value of its last expression, a script saves it
with `save`. Needs the extra ``plots``.
"""

from mnn_gpu.utils.packages import require

require("matplotlib", "numpy")

from mnn_gpu.plots.augmentation import augmentation
from mnn_gpu.plots.calibration import calibration
from mnn_gpu.plots.confusion import confusion
from mnn_gpu.plots.figure import save
from mnn_gpu.plots.history import history
from mnn_gpu.plots.mistakes import mistakes
from mnn_gpu.plots.weights import weights

__all__ = ["augmentation", "calibration", "confusion", "history", "mistakes", "save", "weights"]
