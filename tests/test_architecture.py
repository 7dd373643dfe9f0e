"""Allowed imports between packages, fast import of the package, and its exact public names."""

from __future__ import annotations

import ast
import pickle
import subprocess
import sys
from collections.abc import Collection
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import mnn_gpu
from mnn_gpu import errors

PACKAGE = Path(mnn_gpu.__file__).parent
ROOT_MODULES = {"__init__", "__main__", "errors", "version"}
LAYERS = {
    "errors": "",
    "version": "",
    "utils": "errors",
    "storage": "errors utils",
    "nn": "errors utils",
    "step": "nn",
    "compiler": "errors utils step",
    "backends": "errors utils nn step compiler",
    "distributed": "errors version utils step compiler backends",
    "data": "errors utils storage",
    "models": "errors version utils storage nn step backends distributed data",
    "training": "errors version utils storage nn step backends distributed data models",
    "estimators": "errors utils storage nn step backends distributed",
    "interop": "errors version utils storage nn data models",
    "plots": "errors utils storage nn backends data models training",
    "handwriting": "errors utils storage data",
    "notebook": "errors utils nn",
    "cli": (
        "mnn_gpu errors version utils storage backends distributed data models training interop "
        "plots handwriting"
    ),
    "__main__": "cli",
    "mnn_gpu": "version utils",
}
"""The packages and root modules, and what each may import; ``mnn_gpu`` is the public face."""
HEAVY = {
    *("PIL", "cupy", "jax", "matplotlib", "mpi4py", "onnx", "pandas", "rich", "safetensors"),
    *("scipy", "sklearn", "torch"),
}


def imported(path: Path) -> set[str]:
    """Return the top-level packages that a module imports anywhere in it."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module.partition(".")[0])
    return names


def modules() -> dict[str, Path]:
    """Return the file of every module, by its dotted name."""
    found = {}
    for path in PACKAGE.rglob("*.py"):
        parts = ("mnn_gpu", *path.relative_to(PACKAGE).with_suffix("").parts)
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def own_imports(path: Path, known: Collection[str]) -> set[str]:
    """Return the modules of this package that a file imports: lazily and for types too."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} has a relative import"
            names = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= {name if name in known else str(node.module) for name in names}
    return found & set(known)


def layer(module: str) -> str:
    """Return the package of a module in the table; the public face is ``mnn_gpu``."""
    return module.split(".")[1] if "." in module else module


MODULES = modules()
IMPORTS = {name: own_imports(path, MODULES) - {name} for name, path in MODULES.items()}


def test_the_layers_are_those_of_the_table() -> None:
    assert {layer(name) for name in MODULES} == set(LAYERS)
    assert {path.stem for path in PACKAGE.glob("*.py")} == ROOT_MODULES


@pytest.mark.parametrize("package", LAYERS)
def test_a_package_imports_only_what_the_table_allows(package: str) -> None:
    allowed = {package, *LAYERS[package].split()}
    wrong = {
        f"{name} imports {other}"
        for name, others in IMPORTS.items()
        for other in others
        if layer(name) == package and layer(other) not in allowed
    }
    assert not wrong


def test_every_import_allowed_by_the_table_is_used() -> None:
    needed: dict[str, set[str]] = {name: set() for name in LAYERS}
    for name, others in IMPORTS.items():
        needed[layer(name)] |= {layer(other) for other in others} - {layer(name)}
    assert needed == {name: set(allowed.split()) for name, allowed in LAYERS.items()}


@pytest.mark.parametrize(
    "graph",
    [IMPORTS, {name: set(allowed.split()) for name, allowed in LAYERS.items()}],
    ids=["modules", "packages"],
)
def test_no_imports_form_a_circle(graph: dict[str, set[str]]) -> None:
    TopologicalSorter(graph).prepare()  # Raises CycleError, which lists a cycle.


def test_every_package_states_its_purpose() -> None:
    for name, path in MODULES.items():
        if path.name == "__init__.py":
            sentence = (ast.get_docstring(ast.parse(path.read_text())) or "").partition("\n")[0]
            assert len(sentence.split()) >= 3, f"{name} has no sentence of purpose"


@pytest.mark.parametrize("package", ["nn", "step"])
def test_the_mathematics_names_no_array_library(package: str) -> None:
    for path in (PACKAGE / package).rglob("*.py"):
        allowed = {"numpy"} if path.name == "gradient_check.py" else set()  # On the host, float64.
        assert not imported(path) & {"numpy", "cupy", "jax", "torch"} - allowed, path


def test_only_backends_compiler_and_distributed_name_cupy() -> None:
    naming = {
        path.relative_to(PACKAGE).parts[0]
        for path in PACKAGE.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Name | ast.Attribute)
        and "cupy" in (node.id if isinstance(node, ast.Name) else node.attr)
    }
    assert naming == {"backends", "compiler", "distributed"}
    assert not [path for path in PACKAGE.rglob("*.py") if "cupy" in imported(path)]


def loaded_after(code: str) -> set[str]:
    script = f"import sys\n{code}\nprint(*sys.modules)"
    result = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    return set(result.stdout.split())


def test_importing_the_package_loads_nothing_heavy() -> None:
    assert not loaded_after("import mnn_gpu") & (HEAVY | {"numpy"})


def test_training_on_the_cpu_loads_neither_cupy_nor_pandas() -> None:
    code = (
        "import mnn_gpu\n"
        "mnn_gpu.train([[1, 2], [3, 4]], [0, 1], mnn_gpu.TrainingConfig(iterations=1),\n"
        "              backend=mnn_gpu.select_backend('cpu'))"
    )
    assert not loaded_after(code) & (HEAVY - {"safetensors"})


def test_only_jobs_with_ranks_import_mpi() -> None:
    naming = {
        str(path.relative_to(PACKAGE))
        for path in PACKAGE.rglob("*.py")
        if "mpi4py" in imported(path)
    }
    assert naming == {f"distributed/{name}.py" for name in ("all_reduce", "mpi", "mpi_start")}


def test_every_public_name_exists_and_is_documented() -> None:
    assert set(dir(mnn_gpu)) == set(mnn_gpu.__all__)
    for name in mnn_gpu.__all__:
        assert getattr(mnn_gpu, name) is not None
        if name != "__version__":
            assert getattr(mnn_gpu, name).__doc__
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        mnn_gpu.nothing  # type: ignore[attr-defined]  # noqa: B018


def test_the_stub_lists_the_same_names() -> None:
    stub = ast.parse((PACKAGE / "__init__.pyi").read_text())
    stub_names = {
        a.asname: n.module for n in stub.body if isinstance(n, ast.ImportFrom) for a in n.names
    }
    loaded = {name: f"mnn_gpu.{home}" for home, names in mnn_gpu._HOMES.items() for name in names}
    assert stub_names == loaded


def test_errors_survive_pickling_and_show_cause_and_cure() -> None:
    samples = [
        errors.UsageError("cause", "cure"),
        errors.DeviceError("cause", "cure", "driver"),
        errors.DataError("cause", "cure"),
        errors.ModelFileError("cause", "cure"),
        errors.OutputError("cause", "cure"),
        errors.DivergedError("cause", "cure", 7),
        errors.LaunchError("cause", "cure"),
    ]
    for error in samples:
        copy = pickle.loads(pickle.dumps(error))
        assert type(copy) is type(error)
        assert vars(copy) == vars(error)
        assert str(copy) == "cause\ncure"
    assert [error.exit_code for error in samples] == [2, 3, 4, 4, 4, 5, 3]


def test_a_failure_of_another_rank_has_its_exit_code() -> None:
    error = errors.RankError(3, "cause", "cure", 4)
    assert (error.rank, error.exit_code, str(error)) == (3, 4, "Rank 3 failed: cause\ncure")
    assert vars(pickle.loads(pickle.dumps(error))) == vars(error)
