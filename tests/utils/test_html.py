"""HTML for notebooks: tables, charts and a progress bar."""

from __future__ import annotations

import sys
import types
from html.parser import HTMLParser
from typing import Any
from xml.etree import ElementTree

import pytest

import mnn_gpu
from mnn_gpu import Evaluation, History, Model, Record, TrainingConfig, diagnose, progress_bar
from mnn_gpu.training.progress_bar import NotebookBar
from mnn_gpu.training.progress_terminal import Lines
from mnn_gpu.utils.html import chart, table


@pytest.fixture
def trained(images: dict[str, Any]) -> tuple[Model, History]:
    config = TrainingConfig(hidden=(8,), batch_size=10, epochs=4, patience=3)
    held_out = images["X"][:6], images["y"][:6]
    return mnn_gpu.train(images["X"], images["y"], config, validation=held_out)


class Balance(HTMLParser):
    """Counts open tags; collects text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: Any) -> None:
        pass

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data + " "


def shown(thing: Any) -> str:
    """Return the text of an object's HTML, after checking that all tags are closed."""
    found = Balance(thing._repr_html_())
    assert not found.open
    return found.text


def test_a_model_shows_its_layers_and_accuracies(trained: tuple[Model, History]) -> None:
    model, history = trained
    text = shown(model)
    assert "12-8-3" in text
    assert "0, 1, 2" in text
    assert f"{history.training.accuracy:.2%}" in text
    assert "cpu" in text


def test_a_model_with_many_labels_is_shown_abbreviated() -> None:
    many = Model(mnn_gpu.load_model("record").theta, (784, 1000, 500, 10), range(500))  # type: ignore[arg-type]
    assert "(500 in all)" in shown(many)


def test_a_history_shows_figures_and_a_chart(trained: tuple[Model, History]) -> None:
    _, history = trained
    text = shown(history)
    assert f"{history.training.accuracy:.2%}" in text
    assert "held-out accuracy" in text
    assert "best record" in text
    html = history._repr_html_()
    for svg in html.split("<svg")[1:]:
        root = ElementTree.fromstring("<svg" + svg.split("</svg>")[0] + "</svg>")
        training, held_out, _ = root.iter("polyline")
        for line in (training, held_out):
            assert len(set(line.attrib["points"].split())) == len(history.records)


def test_an_evaluation_is_a_small_table() -> None:
    assert "3 of 1,000" in shown(Evaluation(1000, 3, 0.997, 0.01))


def test_devices_are_shown() -> None:
    text = shown(diagnose())
    assert "auto selects" in text
    assert "NumPy" in text


def test_a_history_with_one_record_has_no_chart() -> None:
    record = Record(1, 1, 1.0, 0.5, 0.1)
    scores = Evaluation(10, 5, 0.5, 1.0)
    assert "<svg" not in History((record,), 1, 0.1, scores, None)._repr_html_()


def test_text_from_files_is_escaped() -> None:
    name = "<script>alert(1)</script>"
    assert "<script>" not in table([(name, name)], name)
    model = Model(mnn_gpu.load_model("record").theta, (2, 1), [0], {"device": name})  # type: ignore[arg-type]
    assert "<script>" not in model._repr_html_()


@pytest.mark.parametrize("count", [2, 200])
def test_a_curve_spans_its_frame(count: int) -> None:
    points = [(float(i), float(i % 7)) for i in range(count)]
    root = ElementTree.fromstring(chart("loss", "epoch", [("training", "red", points)]))
    line, frame = (
        [tuple(map(float, p.split(","))) for p in element.attrib["points"].split()]
        for element in root.iter("polyline")
    )
    assert len(line) == count
    assert line[0][0] == frame[0][0]
    assert line[-1][0] == frame[-1][0]
    assert all(frame[0][1] <= y <= frame[1][1] for _, y in line)


def test_constant_curves_can_be_drawn() -> None:
    assert "nan" not in chart("loss", "epoch", [("training", "red", [(1, 0.5), (2, 0.5)])])


# ---- progress bar-----------------------------------------------------------------------


class Handle:
    """A stand-in for a notebook's cell: records what is displayed."""

    def __init__(self) -> None:
        self.shown: list[str] = []

    def update(self, html: str) -> None:
        self.shown.append(html)


@pytest.fixture
def cell(monkeypatch: pytest.MonkeyPatch) -> Handle:
    """Simulate a notebook."""
    handle = Handle()

    def display(html: str, *, display_id: bool) -> Handle:
        assert display_id
        handle.update(html)
        return handle

    shell = types.SimpleNamespace(kernel=object())
    python, shows = types.ModuleType("IPython"), types.ModuleType("IPython.display")
    python.get_ipython = lambda: shell  # type: ignore[attr-defined]
    shows.HTML, shows.display = str, display  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "IPython", python)
    monkeypatch.setitem(sys.modules, "IPython.display", shows)
    return handle


def test_a_notebook_gets_one_bar_that_ends_full(cell: Handle, images: dict[str, Any]) -> None:
    bar = progress_bar()
    assert isinstance(bar, NotebookBar)
    config = TrainingConfig(hidden=(4,), batch_size=10, epochs=3)
    held_out = images["X"][:6], images["y"][:6]
    _, history = mnn_gpu.train(images["X"], images["y"], config, validation=held_out, hooks=[bar])
    assert 2 <= len(cell.shown) <= 3 + history.seconds / 0.2
    assert "9 of 9" in Balance(cell.shown[-1]).text
    assert 'value="9" max="9"' in cell.shown[-1]
    assert f"held-out {history.records[-1].validation_accuracy:.2%}" in cell.shown[-1]


def test_a_resumed_run_shows_its_own_speed(cell: Handle) -> None:
    bar = NotebookBar()
    bar.on_start(100)
    bar.on_resume(90)
    bar.on_record(Record(100, 1, 0.5, 0.9, 1.0))
    bar.on_end()
    assert "100 of 100" in cell.shown[-1]
    assert " 0 s left" in cell.shown[-1]


def test_a_run_interrupted_at_once_leaves_a_bar(cell: Handle) -> None:
    bar = NotebookBar()
    bar.on_start(5)
    bar.on_end()
    assert "0 of 5" in cell.shown[-1]


def test_outside_a_notebook_progress_is_printed_in_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "IPython", raising=False)
    assert isinstance(progress_bar(), Lines)
