"""Messages of the command line: help in plain columns, and errors with cause and cure."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from mnn_gpu import Model, save_model
from mnn_gpu.cli.agreed import FREE
from mnn_gpu.cli.main import COMMANDS, main, program
from mnn_gpu.nn.parameters import flatten

HELP = [
    *((name,) for name in COMMANDS if name != "plot"),
    *(("plot", plot) for plot in COMMANDS["plot"].PLOTS),
]


@pytest.fixture(autouse=True)
def _in_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run in a folder with a model of 3 pixels and 2 classes, and a table of such images."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MNN_DEVICE", "cpu")
    theta = flatten([(np.ones((2, 3), np.float32), np.zeros((2, 1), np.float32))])
    save_model("m", Model(theta, (3, 2), np.arange(2)))
    Path("d.csv").write_text("label,p0,p1,p2\n0,1,2,3\n1,4,5,6\n0,7,8,9\n", encoding="utf-8")


def run_program(
    capsys: pytest.CaptureFixture[str], *arguments: str
) -> tuple[int | str | None, str]:
    """Run the program; return its exit code and its stderr."""
    try:
        code: int | str | None = main(arguments)
    except SystemExit as end:
        code = end.code
    return code, capsys.readouterr().err


def helps(parser: argparse.ArgumentParser) -> Iterator[tuple[str, str]]:
    yield parser.prog, parser.format_help()
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for command in action.choices.values():
                yield from helps(command)


@pytest.mark.parametrize("is_short", [True, False])
def test_help_fits_80_columns(monkeypatch: pytest.MonkeyPatch, *, is_short: bool) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    found = dict(helps(program(is_short)))
    assert len(found) == 1 + len(COMMANDS) + len(COMMANDS["plot"].PLOTS)
    for name, text in found.items():
        assert [line for line in text.splitlines() if len(line) > 80] == [], name


def test_ranks_compare_all_options_and_nothing_else() -> None:
    """Only what is in `FREE` may differ: each is an option, or the command, compared by name."""
    words = ["train", "evaluate m", "predict m d.csv", "recipes", "completion bash"]
    parsed = [vars(program().parse_args(line.split())) for line in words]
    for line, found in zip(words, parsed, strict=True):
        options = argparse.ArgumentParser()
        COMMANDS[line.split()[0]].add_arguments(options)
        assert set(found) - {"command"} <= {action.dest for action in options._actions}
    assert set(FREE) <= set().union(*parsed)


@pytest.mark.parametrize("command", HELP, ids=" ".join)
def test_an_unknown_option_is_an_error_of_its_command(
    command: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    required = {"evaluate": ["m"], "predict": ["m"], "export": ["m", "x.npz"], "plot": ["m"]}
    required |= {"import": ["x.npz", "m"], "convert": ["d.csv", "o"], "completion": ["bash"]}
    code, text = run_program(capsys, *command, *required.get(command[0], []), "--no-such-option")
    assert code == 2
    assert "unrecognized arguments: --no-such-option\n" in text
    assert f"cure: See mnn-gpu {' '.join(command)} --help." in text


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ("train --devcie cpu", "did you mean --device?"),
        ("plot history m --outptu x.png", "did you mean --output?"),
        ("train d.csv", "files are given with --data, as --data d.csv"),
        ("plot confusion m d.csv", "files are given with --data, as --data d.csv"),
        ("--data d.csv train", "--data comes before the command, such as mnn-gpu train --data"),
        ("evaluate RECORD", "Did you mean record?"),
        ("evaluate nothing", "There is no model nothing.\ncure: Check the path."),
        (
            "evaluate text d.csv",
            "text is not a complete model file (it does not begin like a safetens",
        ),
        ("train --data d.csv d.csv", "Two data files are given, and d.csv is not an IDX file."),
        ("train --data https://host/d.csv", "https://host/d.csv is a URL"),
        ("train --data page.csv", "page.csv is a web page, not a CSV file."),
        ("train --data lfs.csv", "lfs.csv is a pointer of Git LFS"),
        ("train --data d.csv --holdout -1", "holdout is -1."),
        ("train --data d.csv --pixel-max 0", "Give a number above 0, such as 255."),
        ("train --data d.csv --resume", "--resume needs a folder of checkpoints."),
        ("train --label-column last", "--label-column is for data from files."),
        ("evaluate m --keep-columns", "--keep-columns is for data from files."),
        ("plot confusion m --transpose", "--transpose is for data from files."),
        ("predict m wide.csv", "cure: Give images of the size that the model was trained on."),
        ("evaluate '' d.csv", "argument MODEL: the name is empty"),
    ],
)
def test_an_invalid_call_reports_its_cause(
    arguments: str, expected: str, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("text").write_bytes(b"some text, which is no model")
    Path("page.csv").write_text(
        "<!DOCTYPE html><html><body>Log in, please</body></html>\n", encoding="utf-8"
    )
    Path("lfs.csv").write_text(
        "version https://git-lfs.github.com/spec/v1\noid sha256:0\n", encoding="utf-8"
    )
    Path("wide.csv").write_text("label,p0,p1,p2,p3\n0,1,2,3,4\n", encoding="utf-8")
    words = ["" if word == "''" else word for word in arguments.split()]
    code, text = run_program(capsys, *words)
    assert code in (2, 4)
    assert expected in text
    assert text.count("\n") == 2


@pytest.mark.parametrize(
    "arguments",
    [
        "train --data d.csv --out new/",
        "predict m d.csv -o new/",
        "predict m d.csv --show new.png/",
        "export m new.npz/",
        "import w.npz new/",
        "plot history m -o new.png/",
        "train --data d.csv --out m/",
    ],
)
def test_a_folder_name_is_refused_as_output(
    arguments: str, capsys: pytest.CaptureFixture[str]
) -> None:
    before = sorted(Path().iterdir())
    code, text = run_program(capsys, *arguments.split())
    assert code == 2
    assert "names a folder; give the name of a file" in text
    assert sorted(Path().iterdir()) == before
