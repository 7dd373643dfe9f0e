"""mnn_gpu: a multilayer perceptron from scratch, on NumPy or on a CUDA GPU with CuPy.

The names below are loaded on first use, so that ``import mnn_gpu`` is fast and imports
neither cupy nor pandas. `__init__.pyi` lists the same names for type checkers.
"""

from __future__ import annotations

import importlib
from typing import Any

from mnn_gpu.utils import openblas
from mnn_gpu.version import __version__ as __version__

openblas.prepare()

_HOMES = {
    "nn.augmentation": ("Augmentation",),
    "backends": ("Backend", "Diagnosis", "diagnose", "select_backend"),
    "training.config": ("TrainingConfig",),
    "data": (
        "Blocks",
        "Dataset",
        "load_dataset",
        "load_mnist",
        "open_blocks",
        "split",
        "split_blocks",
    ),
    "errors": (
        "CompilationWarning",
        "DataError",
        "DeviceError",
        "DivergedError",
        "DataWarning",
        "FallbackWarning",
        "LaunchError",
        "MnnGpuError",
        "ModelFileError",
        "OutputError",
        "RankError",
        "TrainingWarning",
        "UsageError",
    ),
    "estimators": ("MLPClassifier", "MLPRegressor"),
    "interop": ("export_model", "from_sklearn", "from_torch", "import_model"),
    "nn.gradient_check": ("check_gradients",),
    "handwriting": ("prepare_digit",),
    "training.history": ("History", "TrainingInterrupted"),
    "training.learning_curve": ("Record",),
    "training.hooks": ("Hook",),
    "models.evaluation": ("Evaluation", "evaluate"),
    "models.predictor": ("Predictor", "predict", "predict_proba"),
    "models.model": ("Model",),
    "models.model_file": ("load_model", "save_model"),
    "training.progress_bar": ("progress_bar",),
    "training.recipes": ("RECIPES", "Recipe"),
    "training.train": ("train",),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}

__all__ = ["__version__", *_HOME_OF]


def __getattr__(name: str) -> Any:
    if name not in _HOME_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    if _HOME_OF[name] not in ("errors", "backends"):
        # What can report a wrong version can be imported with it.
        from mnn_gpu.utils.packages import require

        require("numpy", "array_api_compat")
    return getattr(importlib.import_module(f"{__name__}.{_HOME_OF[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
