"""What may import what; that importing the package is cheap; that the public names are exact."""

from __future__ import annotations

import ast
import pickle
import subprocess
import sys
from pathlib import Path

import pytest

import mnn_gpu
from mnn_gpu import errors

PACKAGE = Path(mnn_gpu.__file__).parent
MATHEMATICS = [
    "activations.py",
    "augmentation.py",
    "gradient.py",
    "network.py",
    "optimizers.py",
    "outputs.py",
    "precision.py",
    "regularisation.py",
    "samples.py",
    "shared_gradient.py",
    "shards.py",
    "sharing.py",
    "step.py",
    "tree.py",
]
HEAVY = {
    *("PIL", "cupy", "jax", "matplotlib", "mpi4py", "onnx", "pandas", "rich", "safetensors"),
    *("scipy", "sklearn", "torch"),
}


def imported(path: Path) -> set[str]:
    """Return the top-level packages that a module imports anywhere in it."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module.partition(".")[0])
    return names


@pytest.mark.parametrize("name", MATHEMATICS)
def test_the_mathematics_names_no_array_library(name: str) -> None:
    assert not imported(PACKAGE / name) & {"numpy", "cupy", "jax", "torch"}


def test_only_the_backend_names_cupy() -> None:
    naming = {
        path.relative_to(PACKAGE).parts[0]
        for path in PACKAGE.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Name | ast.Attribute)
        and "cupy" in (node.id if isinstance(node, ast.Name) else node.attr)
    }
    assert naming == {"backend"}
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


def test_only_the_ranks_of_a_job_know_mpi() -> None:
    naming = {
        str(path.relative_to(PACKAGE))
        for path in PACKAGE.rglob("*.py")
        if "mpi4py" in imported(path)
    }
    assert naming == {f"distributed/{name}.py" for name in ("exchange", "mpi", "start")}


def test_every_public_name_is_there_and_is_documented() -> None:
    assert set(dir(mnn_gpu)) == set(mnn_gpu.__all__)
    for name in mnn_gpu.__all__:
        assert getattr(mnn_gpu, name) is not None
        if name != "__version__":
            assert getattr(mnn_gpu, name).__doc__
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        mnn_gpu.nothing  # type: ignore[attr-defined]  # noqa: B018


def test_type_checkers_are_told_the_same_names() -> None:
    stub = ast.parse((PACKAGE / "__init__.pyi").read_text())
    told = {a.asname: n.module for n in stub.body if isinstance(n, ast.ImportFrom) for a in n.names}
    loaded = {name: f"mnn_gpu.{home}" for home, names in mnn_gpu._HOMES.items() for name in names}
    assert told == loaded


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
