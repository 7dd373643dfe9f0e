"""Examples of all pages run as they are; links lead somewhere; figures and names are current."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator
from contextlib import chdir
from pathlib import Path
from subprocess import CompletedProcess

import pandas as pd
import pytest

from mnn_gpu import TrainingInterrupted, errors, load_mnist, select_backend
from mnn_gpu.backends import gpu_errors
from mnn_gpu.nn import activations, network
from mnn_gpu.training.recipes import measured
from scripts.benchmarks.harness import spread
from scripts.documentation import ROOT, Part, pages, parts
from tests.support.array_libraries import TESTS, rows_of, rows_written
from tests.support.program import run, run_program

PAGES = {str(page.relative_to(ROOT)): page.read_text(encoding="utf-8") for page in pages()}
FRONT = PAGES["README.md"]
PARTS = list(parts())


def blocks(page: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", PAGES[page], flags=re.DOTALL | re.MULTILINE)


def section(page: str, heading: str) -> str:
    return PAGES[page].split(f"## {heading}\n")[1].split("\n## ")[0]


def prose(text: str) -> str:
    return " ".join(text.split())


# ---- examples --------------------------------------------------------------------------


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
    text = "".join(block for page in PAGES for block in blocks(page, "sh"))
    lines = [line for line in text.splitlines() if line]
    assert len(lines) >= 20
    assert len(lines) == len(set(lines))  # No example is given, and run, twice.
    for line in lines:
        result = run_example(shlex.split(line), tmp_path)
        expected = 3 if "--device cuda" in line and not gpu_works() else 0
        assert result.returncode == expected, f"{line}\n{result.stderr}"
    assert len((tmp_path / "submission.csv").read_text().splitlines()) == 51


def run_example(words: list[str], folder: Path) -> CompletedProcess[str]:
    program, *arguments = words
    if program == "train" and not {"--rows", "--data", "--device"} & {*arguments}:
        arguments += ["--rows", "3000"]  # What takes a minute on all of MNIST.
    if program == "train":
        return run("train", *arguments, cwd=folder)
    if program == "mnn-gpu":
        return run(*arguments, cwd=folder)
    return run_program(program, *arguments, cwd=folder)


@pytest.mark.parametrize("page", [page for page in PAGES if blocks(page, "python")])
def test_the_python_examples_of_a_page_run(
    page: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    names: dict[str, object] = {}
    with chdir(tmp_path):
        for block in blocks(page, "python"):
            exec(compile(block, page, "exec"), names)
    output = capsys.readouterr().out
    if page == "README.md":
        assert float(re.findall(r"accuracy=([0-9.]+)", output)[0]) > 0.95
        assert (tmp_path / "model.safetensors").exists()
    if page == "mnn_gpu/notebook/README.md":
        assert "Iteration: 20" in output


# ---- links -----------------------------------------------------------------------------


def links(page: str) -> Iterator[str]:
    """Yield the targets of a page's links and images, those on other hosts left out."""
    text = re.sub(r"^```.*?^```|`[^`\n]+`", "", PAGES[page], flags=re.DOTALL | re.MULTILINE)
    found = re.findall(r"\]\(([^)\s]+)\)|(?:src|srcset|href)=\"([^\"]+)\"", text)
    yield from (a or b for a, b in found if not (a or b).startswith("http"))


def anchors(page: str) -> set[str]:
    """Return the anchors of a page's headings, as GitHub makes them."""
    text = re.sub(r"^```.*?^```", "", PAGES[page], flags=re.DOTALL | re.MULTILINE)
    headings = re.findall(r"^#+ (.*)", text, flags=re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES)
def test_every_link_leads_to_a_file_or_a_heading(page: str) -> None:
    for link in links(page):
        path, _, anchor = link.partition("#")
        target = (ROOT / page).parent / path if path else ROOT / page
        assert target.exists(), link
        if anchor:
            assert anchor in anchors(str(target.resolve().relative_to(ROOT))), link


def test_every_page_is_linked_from_the_front_page() -> None:
    reached, new = set(), {ROOT / "README.md"}
    while new:
        page = new.pop()
        reached.add(page)
        targets = {link.partition("#")[0] for link in links(str(page.relative_to(ROOT)))}
        found = {(page.parent / target).resolve() for target in targets if target.endswith(".md")}
        new |= found - reached
    assert {ROOT / page for page in PAGES} - reached == set()


def test_the_front_page_is_short() -> None:
    assert len(FRONT.splitlines()) <= 200


IDIOMS = (
    *("told", "tells of", "held to", "held against", "hangs? on", "for want of", "so many"),
    *("added up", "goes on", "seen to", "worked on", "mended", r"\d %"),
)
"""What does not occur: not the field's terms, and percent with a space."""


@pytest.mark.parametrize("page", [page for page in PAGES if "results" not in page])
def test_a_page_is_in_plain_technical_english(page: str) -> None:
    assert not re.findall(rf"\b(?:{'|'.join(IDIOMS)})(?!\w)", PAGES[page])


# ---- figures and names -----------------------------------------------------------------


@pytest.mark.parametrize("part", PARTS, ids=[f"{part.page}: {part.name}" for part in PARTS])
def test_a_generated_part_is_written_from_its_results(part: Part) -> None:
    assert part.read() == part.text, "python -m scripts.documentation writes it again"


def test_the_table_of_array_libraries_is_that_of_the_tests(request: pytest.FixtureRequest) -> None:
    options, items = request.config.option, request.session.items
    found, written = rows_of(items), rows_written()
    cure = "python -m tests.support.array_libraries writes it again"
    for module, libraries in found.items():
        assert libraries <= written.get(module, set()), f"{module}: {cure}"
    are_all = {item.path for item in items} == {*TESTS.rglob("test_*.py")}
    if are_all and not options.keyword and not options.markexpr:
        assert found == written, cure


def test_the_accuracies_on_the_front_page_are_those_of_the_recipes() -> None:
    opening = prose(FRONT.split("\n## ")[0])
    for name in ("fast", "accurate", "record"):
        assert f"{measured()[name]['test_accuracy']['mean'] * 100:.2f}%" in opening
    fast, record = (measured()[name]["seconds"]["median"] for name in ("fast", "record"))
    assert f"98.15% in {fast:.1f} s" in opening
    assert f"in {record / 60:.0f} minutes, 99.64%" in opening


def test_the_figures_of_the_notebook_are_the_measured_ones() -> None:
    study, cpu = (
        json.loads((ROOT / f"scripts/results/{name}.json").read_text(encoding="utf-8"))
        for name in ("study", "cpu")
    )
    runs = [run for run in study["recipes"] if run["name"] == "notebook"]
    training, held_out = (
        spread([run[rows]["accuracy"] for run in runs]) for rows in ("training", "held_out")
    )
    ratio = cpu["jobs"]["a"]["contenders"]["notebook float64"]["ratio"]
    text = prose(PAGES["mnn_gpu/notebook/README.md"])
    for figure in (
        f"reaches {training['mean'] * 100:.1f}% of the 41,000 training rows",
        f"sd {training['sd'] * 100:.1f}, from {training['min'] * 100:.1f} to "
        f"{training['max'] * 100:.1f}",
        f"{held_out['mean'] * 100:.1f}% of 1,000 held-out rows (sd {held_out['sd'] * 100:.1f};",
        f"{ratio:.1f} times faster",
    ):
        assert figure in text


def test_the_formulas_are_in_the_code() -> None:
    source = "".join(
        Path(str(module.__file__)).read_text(encoding="utf-8") for module in (activations, network)
    )
    for code in (
        "product(W, inputs) + b",
        "xp.maximum(Z, 0)",
        "A[-1] - Y",
        "product(W.T, dZ) * hidden.derivative(Z[l - 1], A[l - 1])",
        "product(dZ, inputs.T)",
        "xp.sum(dZ, axis=1, keepdims=True)",
        "theta - alpha * d_theta",
    ):
        assert code in source
        assert code in FRONT


@pytest.mark.parametrize("page", PAGES)
def test_every_module_that_a_page_names_exists(page: str) -> None:
    modules = [f"/{path.relative_to(ROOT)}" for path in ROOT.glob("*/**/*.py")]
    for name in re.findall(r"`([\w/]+\.py)`", PAGES[page]):
        assert any(module.endswith(f"/{name}") for module in modules), name


def test_every_name_in_the_contributing_guide_is_in_the_code() -> None:
    files = [*ROOT.glob("*/**/*.py"), ROOT / "pyproject.toml"]
    words = {word for file in files for word in re.findall(r"\w+", file.read_text("utf-8"))}
    names = re.findall(r"`([A-Za-z_]\w+)(?:\(.*?\))?`", PAGES["CONTRIBUTING.md"])
    assert len(names) >= 20
    assert {*names} - words == set()


def test_every_cause_in_the_troubleshooting_table_is_a_message_of_the_program() -> None:
    # Sentences broken over several string literals, joined again.
    source = re.sub(r'"\s+f?"', "", Path(gpu_errors.__file__).read_text(encoding="utf-8"))
    table = section("mnn_gpu/backends/README.md", "When the GPU does not work")
    rows = [line.split("|")[1] for line in table.splitlines() if line.startswith("| ")][2:]
    phrases = [phrase.strip().removesuffix(" N") for row in rows for phrase in row.split(",")]
    assert len(phrases) >= 12
    for phrase in phrases:
        assert phrase in source


def test_the_documented_exit_codes_are_those_of_the_errors() -> None:
    codes = section("mnn_gpu/cli/README.md", "Exit codes")
    kinds = (errors.UsageError, errors.DeviceError, errors.DataError, errors.DivergedError)
    for kind in (*kinds, TrainingInterrupted):
        assert f"\n| {kind.exit_code}" in codes
