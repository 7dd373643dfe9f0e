"""mnn_gpu: a multilayer perceptron from scratch, on NumPy or on a CUDA GPU with CuPy.

The names below are loaded when first used, so that ``import mnn_gpu`` costs next to
nothing and imports neither cupy nor pandas.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from mnn_gpu.backend import Backend, Diagnosis, diagnose, select_backend
    from mnn_gpu.config import TrainingConfig
    from mnn_gpu.data import Dataset, load_dataset, load_mnist, split
    from mnn_gpu.errors import (
        DataError,
        DeviceError,
        DivergedError,
        FallbackWarning,
        MnnGpuError,
        ModelFileError,
        OutputError,
        TrainingInterrupted,
        UsageError,
    )
    from mnn_gpu.gradient_check import check_gradients
    from mnn_gpu.history import History, Hook, Record
    from mnn_gpu.inference import Evaluation, evaluate, predict, predict_proba
    from mnn_gpu.model import Model
    from mnn_gpu.model_file import load_model, save_model
    from mnn_gpu.training import train

_HOMES = {
    "backend": ("Backend", "Diagnosis", "diagnose", "select_backend"),
    "config": ("TrainingConfig",),
    "data": ("Dataset", "load_dataset", "load_mnist", "split"),
    "errors": (
        "DataError",
        "DeviceError",
        "DivergedError",
        "FallbackWarning",
        "MnnGpuError",
        "ModelFileError",
        "OutputError",
        "TrainingInterrupted",
        "UsageError",
    ),
    "gradient_check": ("check_gradients",),
    "history": ("History", "Hook", "Record"),
    "inference": ("Evaluation", "evaluate", "predict", "predict_proba"),
    "model": ("Model",),
    "model_file": ("load_model", "save_model"),
    "training": ("train",),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}

__all__ = [  # noqa: PLE0604 - every name is a string
    "__version__",
    *_HOME_OF,
]


def __getattr__(name: str) -> Any:
    if name not in _HOME_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOME_OF[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
