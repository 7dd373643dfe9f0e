"""The README's examples run as they stand, and its tables name what exists."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from mnn_gpu import TrainingInterrupted, errors, load_mnist, select_backend
from mnn_gpu.backends import gpu_errors
from mnn_gpu.nn import activations, network
from mnn_gpu.training.recipes import measured
from scripts.research.experiments import report
from tests.support.program import run

README = (Path(__file__).parent.parent / "README.md").read_text(encoding="utf-8")
PROGRAMS = Path(sys.executable).parent


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, flags=re.DOTALL)


def kaggle_files(folder: Path, rows: int) -> None:
    (X, y), (X_test, _) = load_mnist()
    frame = pd.DataFrame(X[:rows], columns=[f"pixel{i}" for i in range(784)])
    frame.insert(0, "label", y[:rows])
    frame.to_csv(folder / "train.csv", index=False)
    frame = pd.DataFrame(X_test[:50], columns=[f"pixel{i}" for i in range(784)])
    frame.to_csv(folder / "test.csv", index=False)


def gpu_works() -> bool:
    return select_backend("auto").device != "cpu"


def test_the_shell_examples_run(tmp_path: Path) -> None:
    kaggle_files(tmp_path, rows=3000)
    commands = [line for block in blocks("sh") for line in block.splitlines() if line]
    assert len(commands) >= 7
    for line in commands:
        program, *arguments = shlex.split(line)
        if program == "train" and not {"--rows", "--data", "--device"} & {*arguments}:
            arguments += ["--rows", "3000"]  # What takes a minute on all of MNIST.
        result = _run(program, arguments, tmp_path)
        expected = 3 if "--device cuda" in line and not gpu_works() else 0
        assert result.returncode == expected, f"{line}\n{result.stderr}"
    assert len((tmp_path / "submission.csv").read_text().splitlines()) == 51


def _run(program: str, arguments: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    if program == "train":
        return run("train", *arguments, cwd=folder)
    if program == "mnn-gpu":
        return run(*arguments, cwd=folder)
    return subprocess.run(
        [PROGRAMS / program, *arguments],
        cwd=folder,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        env={**os.environ, "PATH": f"{PROGRAMS}{os.pathsep}{os.environ['PATH']}"},
        check=False,
    )


def test_the_python_examples_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    here = Path.cwd()
    os.chdir(tmp_path)
    try:
        names: dict[str, object] = {}
        for block in blocks("python"):
            exec(compile(block, "README.md", "exec"), names)
    finally:
        os.chdir(here)
    output = capsys.readouterr().out
    assert "Iteration: 20" in output
    assert "Evaluation(rows=10000" in output
    assert float(re.findall(r"accuracy=([0-9.]+)", output)[0]) > 0.95
    assert (tmp_path / "model.safetensors").exists()


def test_the_formulas_are_in_the_code() -> None:
    source = "".join(
        Path(str(module.__file__)).read_text(encoding="utf-8") for module in (activations, network)
    )
    for code in (
        "product(W, inputs) + b",
        "xp.maximum(Z, 0)",
        "A[-1] - Y",
        "product(W.T, dZ) * hidden.prime(Z[l - 1], A[l - 1])",
        "product(dZ, inputs.T)",
        "xp.sum(dZ, axis=1, keepdims=True)",
        "theta - alpha * d_theta",
    ):
        assert code in source
        assert code in README


def test_every_cause_of_the_troubleshooting_table_is_one_the_program_gives() -> None:
    # Sentences broken over several string literals, joined again.
    source = re.sub(r'"\s+f?"', "", Path(gpu_errors.__file__).read_text(encoding="utf-8"))
    table = README.split("## When the GPU does not work")[1].split("## Exit codes")[0]
    rows = [line.split("|")[1] for line in table.splitlines() if line.startswith("| ")][2:]
    phrases = [phrase.strip().removesuffix(" N") for row in rows for phrase in row.split(",")]
    assert len(phrases) >= 12
    for phrase in phrases:
        assert phrase in source


def test_the_links_lead_somewhere() -> None:
    for target in re.findall(r"\]\(([^)h][^)]*)\)", README):
        assert target.startswith("#") or (Path(__file__).parent.parent / target).exists(), target


def test_the_links_within_it_lead_to_headings() -> None:
    headings = {
        re.sub(r"[^a-z0-9 -]", "", line.lstrip("# ").lower()).replace(" ", "-")
        for line in README.splitlines()
        if line.startswith("## ")
    }
    assert set(re.findall(r"\]\(#([^)]*)\)", README)) <= headings


def test_the_exit_codes_are_the_errors_own() -> None:
    section = README.split("## Exit codes")[1]
    kinds = (errors.UsageError, errors.DeviceError, errors.DataError, errors.DivergedError)
    for kind in (*kinds, TrainingInterrupted):
        assert re.search(rf"\b{kind.exit_code} [a-z]", section)


def test_the_figures_are_those_that_were_measured() -> None:
    path = Path(__file__).parent.parent / "scripts/results/notebook-recipe.json"
    result = json.loads(path.read_text())
    training, held_out = result["training_accuracy"], result["held_out_accuracy"]
    section = README.split("## In a notebook")[1].split("\n## ")[0]
    told = " ".join(section.split())
    for figure in (
        f"reaches {training['mean'] * 100:.1f} % of the 41,000 training rows",
        f"sd {training['sd'] * 100:.1f}, from {training['min'] * 100:.1f} to "
        f"{training['max'] * 100:.1f}",
        f"{held_out['mean'] * 100:.1f} % of 1,000 held-out rows (sd {held_out['sd'] * 100:.1f})",
        f"in {result['iteration']['ratio']:.2f} of the time",
    ):
        assert figure in told


def test_the_accuracies_at_its_head_are_those_of_the_recipes() -> None:
    opening = " ".join(README.split("```")[0].split())
    for name in ("fast", "accurate", "record"):
        assert f"{measured()[name]['test_accuracy']['mean'] * 100:.2f} %" in opening


def test_the_accuracies_are_those_of_the_study() -> None:
    path = Path(__file__).parent.parent / "scripts/results/study.json"
    written = README.split(report.START)[1].split(report.END)[0].strip()
    assert written == report.section(json.loads(path.read_text(encoding="utf-8")))
