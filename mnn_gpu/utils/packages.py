"""The other packages: which versions this one runs with, and what needs them."""

from __future__ import annotations

import importlib
import importlib.util
import re
from collections.abc import Callable
from types import ModuleType
from typing import NamedTuple

from mnn_gpu.errors import MnnGpuError, UsageError


class Package(NamedTuple):
    """A package and its bounds, which are those in pyproject.toml.

    Attributes
    ----------
    name : str
        Of the distribution.
    lowest, below : str
        The versions from the first to before the second are supported.
    purpose : str
        What needs it, as the beginning of a sentence.
    extra : str
        The extra that installs it; "" if the package itself does.
    """

    name: str
    lowest: str
    below: str
    purpose: str
    extra: str = ""

    def problem(self, version: str) -> str:
        """Return what is wrong with a version, "" if it is supported."""
        number = _number(version)
        if number and not _number(self.lowest) <= number < _number(self.below):
            return (
                f"{self.name} from {self.lowest} to before {self.below}, but {version} is installed"
            )
        return ""

    @property
    def install(self) -> str:
        """The command that installs a supported version."""
        if self.extra:
            return f'pip install "mnn_gpu[{self.extra}]"'
        return f'pip install "{self.name}>={self.lowest},<{self.below}"'


PACKAGES = {
    "numpy": Package("numpy", "2.0", "3", "mnn_gpu"),
    "array_api_compat": Package("array-api-compat", "1.12", "2", "mnn_gpu"),
    "pandas": Package("pandas", "2.2.2", "4", "Reading CSV"),
    "safetensors": Package("safetensors", "0.4.5", "1", "Reading and writing models"),
    "rich": Package("rich", "13.7", "16", "The progress bar"),
    "threadpoolctl": Package("threadpoolctl", "3.5", "4", "Limiting threads"),
    "pyarrow": Package("pyarrow", "17", "30", "Reading Parquet", "parquet"),
    "sklearn": Package("scikit-learn", "1.6", "1.10", "MLPClassifier", "sklearn"),
    "scipy": Package("scipy", "1.13", "2", "MLPClassifier", "sklearn"),
    "matplotlib": Package("matplotlib", "3.9", "4", "Plots", "plots"),
    "PIL": Package("pillow", "10.3", "14", "Reading images", "images"),
    "onnx": Package("onnx", "1.17", "2", "Writing ONNX", "onnx"),
    "shtab": Package("shtab", "1.9", "2", "Completion", "completion"),
    "mpi4py": Package("mpi4py", "4", "5", "Several ranks", "mpi-local"),
    "jax": Package("jax", "0.4.38", "1", "--backend jax", "jax"),
    "cupy": Package("cupy", "13.6", "15", "Computing on a CUDA GPU"),
}
"""By the name under which they are imported."""


def require(
    module: str,
    *others: str,
    purpose: str = "",
    error: Callable[[str, str], MnnGpuError] = UsageError,
) -> ModuleType:
    """Import packages, after checking their versions; return the first one.

    Parameters
    ----------
    module, *others : str
        Keys of `PACKAGES`.
    purpose : str
        What needs them, as the beginning of a sentence. Default: `Package.purpose`.
    error : callable
        The class of the exception.

    Raises
    ------
    MnnGpuError
        If one is missing, cannot be imported, or has a version that is not supported.
    """
    first, *_ = [
        _imported(PACKAGES[name], name, purpose or PACKAGES[name].purpose, error)
        for name in (module, *others)
    ]
    return first


def _imported(
    package: Package, module: str, purpose: str, error: Callable[[str, str], MnnGpuError]
) -> ModuleType:
    try:
        found = importlib.import_module(module)
    except ImportError as failure:
        is_missing = isinstance(failure, ModuleNotFoundError) and failure.name == module
        why = "" if is_missing else f", which cannot be imported ({failure})"
        raise error(
            f"{purpose} needs the package {package.name}{why}.", f"Run {package.install}."
        ) from failure
    if problem := package.problem(getattr(found, "__version__", "")):
        only = package._replace(extra="")
        raise error(f"{purpose} needs {problem}.", f"Run {only.install}.")
    return found


def _number(version: str) -> tuple[int, ...]:
    """Return a version's release, such as (2, 0, 2); () if there is none."""
    found = re.match(r"\d+(\.\d+)*", version)
    return tuple(map(int, found[0].split("."))) if found else ()


def unavailable() -> list[tuple[str, str]]:
    """Return what does not work here for lack of a package, and the reason with its cure."""
    from importlib import metadata

    found = []
    for module, package in PACKAGES.items():
        if module == "cupy":  # Its wheels have several names; the probe of the GPU reports it.
            continue
        only = package._replace(extra="")
        try:
            if problem := package.problem(metadata.version(package.name)):
                found.append((package.purpose, f"needs {problem}: {only.install}"))
        except metadata.PackageNotFoundError:
            if importlib.util.find_spec(module) is None:
                reason = f"needs {package.name}, which is not installed: {package.install}"
                found.append((package.purpose, reason))
    return found
