"""The public names, for type checkers; `__init__.py` loads them when first used."""

from mnn_gpu.backends import Backend as Backend
from mnn_gpu.backends import Diagnosis as Diagnosis
from mnn_gpu.backends import diagnose as diagnose
from mnn_gpu.backends import select_backend as select_backend
from mnn_gpu.data import Blocks as Blocks
from mnn_gpu.data import Dataset as Dataset
from mnn_gpu.data import load_dataset as load_dataset
from mnn_gpu.data import load_mnist as load_mnist
from mnn_gpu.data import open_blocks as open_blocks
from mnn_gpu.data import split as split
from mnn_gpu.data import split_blocks as split_blocks
from mnn_gpu.errors import CompilationWarning as CompilationWarning
from mnn_gpu.errors import DataError as DataError
from mnn_gpu.errors import DataWarning as DataWarning
from mnn_gpu.errors import DeviceError as DeviceError
from mnn_gpu.errors import DivergedError as DivergedError
from mnn_gpu.errors import FallbackWarning as FallbackWarning
from mnn_gpu.errors import LaunchError as LaunchError
from mnn_gpu.errors import MnnGpuError as MnnGpuError
from mnn_gpu.errors import ModelFileError as ModelFileError
from mnn_gpu.errors import OutputError as OutputError
from mnn_gpu.errors import RankError as RankError
from mnn_gpu.errors import TrainingWarning as TrainingWarning
from mnn_gpu.errors import UsageError as UsageError
from mnn_gpu.estimators import MLPClassifier as MLPClassifier
from mnn_gpu.estimators import MLPRegressor as MLPRegressor
from mnn_gpu.handwriting import prepare_digit as prepare_digit
from mnn_gpu.interop import export_model as export_model
from mnn_gpu.interop import from_sklearn as from_sklearn
from mnn_gpu.interop import from_torch as from_torch
from mnn_gpu.interop import import_model as import_model
from mnn_gpu.models.evaluation import Evaluation as Evaluation
from mnn_gpu.models.evaluation import evaluate as evaluate
from mnn_gpu.models.model import Model as Model
from mnn_gpu.models.model_file import load_model as load_model
from mnn_gpu.models.model_file import save_model as save_model
from mnn_gpu.models.predictor import Predictor as Predictor
from mnn_gpu.models.predictor import predict as predict
from mnn_gpu.models.predictor import predict_proba as predict_proba
from mnn_gpu.nn.augmentation import Augmentation as Augmentation
from mnn_gpu.nn.gradient_check import check_gradients as check_gradients
from mnn_gpu.training.config import TrainingConfig as TrainingConfig
from mnn_gpu.training.history import History as History
from mnn_gpu.training.history import TrainingInterrupted as TrainingInterrupted
from mnn_gpu.training.hooks import Hook as Hook
from mnn_gpu.training.learning_curve import Record as Record
from mnn_gpu.training.progress_bar import progress_bar as progress_bar
from mnn_gpu.training.recipes import RECIPES as RECIPES
from mnn_gpu.training.recipes import Recipe as Recipe
from mnn_gpu.training.train import train as train

__all__: list[str]
__version__: str
_HOMES: dict[str, tuple[str, ...]]
