"""Pictures of models and their trainings, as Matplotlib figures.

Each function returns a `matplotlib.figure.Figure`, made without pyplot, so nothing is kept or
shown by itself: a notebook shows what its cell ends with, a script saves it with `save`.
Needs the extra ``plots``.
"""

from mnn_gpu.plots.curves import history
from mnn_gpu.plots.deformed import augmentation
from mnn_gpu.plots.first_layer import weights
from mnn_gpu.plots.matrix import confusion
from mnn_gpu.plots.misread import mistakes
from mnn_gpu.plots.picture import save
from mnn_gpu.plots.reliability import calibration

__all__ = ["augmentation", "calibration", "confusion", "history", "mistakes", "save", "weights"]
