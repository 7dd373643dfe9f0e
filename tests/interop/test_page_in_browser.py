"""The page to draw digits on, in headless Chromium, opened from disk."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mnn_gpu import Model, load_mnist, load_model, predict_proba
from mnn_gpu.interop.web_page import write_page
from tests.support.chromium import Chromium, executable
from tests.support.models import random_model
from tests.support.penmanship import ROUND_AND_LARGE, SLANTED_AND_SMALL, Stroke, digits

pytestmark = pytest.mark.skipif(executable() is None, reason="There is no Chromium on the PATH.")

DESKTOP, PHONE = (1180, 900), (390, 844)
SHOWN = """({
  answer: $("answer").textContent,
  verdict: $("verdict").textContent,
  live: $("live").textContent,
  bars: [...document.querySelectorAll(".value")].map((value) => value.textContent),
  notes: [...document.querySelectorAll(".note")].map((note) => note.textContent),
})"""


class Page:
    """The record model's page in a browser."""

    def __init__(self, browser: Chromium, path: Path) -> None:
        self.browser, self.path = browser, path

    def open(self, path: Path | None = None) -> None:
        self.browser.open(path or self.path)

    def __call__(self, expression: str) -> Any:
        return self.browser.evaluate(expression)

    @property
    def shown(self) -> dict[str, Any]:
        self.browser.painted()
        shown: dict[str, Any] = self(SHOWN)
        return shown

    def on_pad(self, stroke: Stroke) -> Stroke:
        """Return a stroke in CSS pixels, with points as close as in drawing by hand."""
        box = "(({x, y, width}) => [x, y, width])($('pad').getBoundingClientRect())"
        left, top, side = self(box)
        return [(left + side * x, top + side * y) for x, y in dense(stroke)]


def dense(stroke: Stroke, steps: int = 6) -> Stroke:
    between = [
        (x1 + i / steps * (x2 - x1), y1 + i / steps * (y2 - y1))
        for (x1, y1), (x2, y2) in pairwise(stroke)
        for i in range(steps)
    ]
    return [*between, stroke[-1]]


@pytest.fixture(scope="module")
def browser() -> Iterator[Chromium]:
    with Chromium() as browser:
        yield browser


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("page") / "page.html"
    write_page(path, load_model("record"))
    return path


def complaints(browser: Chromium) -> list[dict[str, Any]]:
    kinds = {"Runtime.exceptionThrown", "Runtime.consoleAPICalled", "Log.entryAdded"}
    return [event for event in browser.events if event["method"] in kinds]


def requests(browser: Chromium) -> list[str]:
    sent = [e["params"] for e in browser.events if e["method"] == "Network.requestWillBeSent"]
    return [params["request"]["url"] for params in sent]


@pytest.fixture
def page(browser: Chromium, path: Path) -> Iterator[Page]:
    """A new page; at the end there were no console messages and no network requests."""
    browser.screen(*DESKTOP)
    browser.prefer(prefers_color_scheme="light")
    browser.events.clear()
    page = Page(browser, path)
    page.open()
    yield page
    browser.painted()
    assert complaints(browser) == []
    assert path.as_uri() in requests(browser)
    assert all(url.startswith(("file:", "data:")) for url in requests(browser))


def draw_all(page: Page, handwriting: str, *, finger: bool = False) -> str:
    """Return the page's predictions for the ten digits."""
    write = page.browser.touch if finger else page.browser.draw
    answers = []
    for strokes in digits(handwriting):
        page("$('clear').click()")
        for stroke in strokes:
            write(page.on_pad(stroke))
        answers.append(page.shown["answer"])
    return "".join(answers)


# ---- drawing -------------------------------------------------------------------------


def test_large_round_digits_drawn_with_the_mouse_are_recognized(page: Page) -> None:
    assert draw_all(page, ROUND_AND_LARGE) == "0123456789"


def test_small_slanted_digits_drawn_with_a_finger_are_recognized(page: Page) -> None:
    page.browser.screen(*PHONE, scale=3, phone=True)
    page.open()
    assert draw_all(page, SLANTED_AND_SMALL, finger=True) == "0123456789"
    assert page("[scrollX, scrollY]") == [0, 0]
    assert page("$('pad').width === 3 * $('pad').clientWidth")


def test_the_sample_digits_are_recognized(page: Page) -> None:
    page.browser.prefer(prefers_reduced_motion="reduce")
    answers = []
    for digit in range(10):
        page(f"document.querySelectorAll('#samples button')[{digit}].click()")
        answers.append(page.shown["answer"])
    assert "".join(answers) == "0123456789"


def test_answer_bars_and_layers_follow_the_drawing(page: Page) -> None:
    empty = page.shown
    assert (empty["answer"], empty["bars"]) == ("?", [""] * 10)
    assert empty["notes"] == ["centered, 28 \u00d7 28", "1,000 units", "500 units"]
    page.browser.draw(page.on_pad(digits(ROUND_AND_LARGE)[7][0]))
    drawn = page.shown
    share = max(float(bar.rstrip("%")) for bar in drawn["bars"])
    assert drawn["bars"][7] == f"{share:.1f}%"
    assert drawn["verdict"].startswith(drawn["bars"][7])
    assert drawn["live"] == f"7, {drawn['verdict']}"
    assert all(" units active" in note for note in drawn["notes"][1:])
    assert page(
        "new Set(document.querySelectorAll('.image')[1].getContext('2d')"
        ".getImageData(0, 0, 20, 20).data).size > 20"
    )
    page("$('undo').click()")
    assert page.shown == {**empty, "live": "Nothing drawn"}
    page("$('undo').click()")
    assert page.shown["answer"] == "?"


def test_a_dot_has_no_answer_yet(page: Page) -> None:
    page.browser.draw(page.on_pad([(0.5, 0.5), (0.52, 0.51)]))
    dot = page.shown
    assert (dot["answer"], dot["verdict"], dot["live"]) == ("?", "Draw more", "Draw more")
    assert dot["bars"] == [""] * 10
    page.browser.draw(page.on_pad([(0.5, 0.2), (0.5, 0.8)]))
    assert page.shown["answer"] == "1"
    page("$('clear').click()")
    assert page.shown["verdict"] == "Nothing drawn yet"


def test_rows_of_bars_have_the_same_height(page: Page) -> None:
    page.browser.draw(page.on_pad(digits(ROUND_AND_LARGE)[3][0]))
    for screen in (DESKTOP, PHONE):
        page.browser.screen(*screen)
        page.browser.painted()
        heights = (
            "new Set([...document.querySelectorAll('.value')].map((v) => v.offsetHeight)).size"
        )
        assert page(heights) == 1


# ---- the network ---------------------------------------------------------------------


def test_the_forward_pass_is_that_of_the_package(page: Page) -> None:
    (_, _), (X, _) = load_mnist()
    record = load_model("record")
    held = Model(
        record.theta.astype(np.float16).astype(np.float64), record.layer_sizes, record.classes
    )
    actual = page(f"""(() => {{
      const {{ layers }} = readModel();
      const all = bytesOf({json.dumps(base64.b64encode(X[:100].tobytes()).decode())});
      const sample = (i) => Float64Array.from(all.subarray(784 * i, 784 * i + 784), (v) => v / 255);
      return Array.from({{ length: 100 }}, (_, i) => Array.from(forward(layers, sample(i)).at(-1)));
    }})()""")
    np.testing.assert_allclose(actual, predict_proba(held, X[:100]), atol=1e-5)


@pytest.mark.parametrize("sizes", [(784, 40), (784, 3, 2), (784, 30, 17, 20, 9, 10)])
def test_models_of_any_depth_and_width_have_a_page(
    page: Page, tmp_path: Path, sizes: tuple[int, ...]
) -> None:
    write_page(tmp_path / "other.html", random_model(sizes))
    page.browser.screen(*PHONE)
    page.browser.open(tmp_path / "other.html")
    page.browser.draw(page.on_pad([(0.3, 0.2), (0.6, 0.8)]))
    assert len(page.shown["bars"]) == sizes[-1]
    assert len(page.shown["notes"]) == len(sizes) - 1
    assert page("document.documentElement.scrollWidth") <= PHONE[0]


def test_the_page_may_not_use_the_network(browser: Chromium, path: Path) -> None:
    browser.events.clear()
    browser.open(path)
    answer = browser.evaluate("fetch('https://example.invalid/').then(() => 'got', String)")
    assert "TypeError" in answer
    assert "Content Security Policy" in json.dumps(complaints(browser))


# ---- the keyboard --------------------------------------------------------------------


def focused(page: Page) -> str:
    name: str = page("document.activeElement.id || document.activeElement.textContent")
    return name


def test_everything_can_be_reached_with_tab(page: Page) -> None:
    reached = []
    for _ in range(16):
        page.browser.key("Tab")
        reached.append(focused(page))
    assert reached == [
        *("theme", "pad", "undo", "clear", "width"),
        *"0123456789",
        "Drawing with the keyboard",
    ]


def test_a_seven_drawn_with_the_keyboard_is_recognized(page: Page) -> None:
    for key in ("Tab", "Tab", *["ArrowLeft"] * 8, " "):
        page.browser.key(key)
    assert page.shown["live"] == "Pen down"
    for key in (*["ArrowRight"] * 15, *["ArrowDown", "ArrowDown", "ArrowLeft"] * 9, " "):
        page.browser.key(key)
    assert page.shown["live"].startswith("7, ")
    page.browser.key("Delete")
    assert page.shown["live"] == "Nothing drawn"
    page.browser.key("z")
    assert page.shown["answer"] == "7"


def test_undo_while_the_pen_is_down_lifts_it(page: Page) -> None:
    page("$('pad').focus()")
    for undo in ("z", "Z", "Delete", "Backspace", "3"):
        for key in (" ", "ArrowDown", undo, "ArrowDown", "ArrowDown"):
            page.browser.key(key)
        assert page("$('live').textContent") != "Pen down"
    page.browser.key(" ")
    assert page.shown["live"] == "Pen down"


# ---- screens and colors -------------------------------------------------------------


@pytest.mark.parametrize(("width", "height"), [(320, 640), (390, 844), (768, 1024), (844, 390)])
def test_no_element_is_wider_than_the_screen(page: Page, width: int, height: int) -> None:
    page.browser.screen(width, height, scale=2, phone=True)
    page.browser.touch(page.on_pad([(0.5, 0.2), (0.5, 0.8)]))
    page.browser.painted()
    assert page("document.documentElement.scrollWidth") <= width
    assert page("$('pad').clientHeight") < height


@pytest.mark.parametrize(
    ("width", "height"),
    [(390, 844), (390, 664), (360, 560), (320, 480), (844, 390), (667, 331), (568, 280)],
)
def test_on_a_phone_the_prediction_is_visible_with_the_drawing(
    page: Page, width: int, height: int
) -> None:
    """Above the pad in portrait and next to it in landscape, where no hand covers it."""
    page.browser.screen(width, height, phone=True)
    page.browser.painted()
    page.browser.touch(page.on_pad([(0.5, 0.2), (0.5, 0.8)]))
    page.browser.painted()
    pad, verdict = (
        page(f"(({{x, y, right, bottom}}) => [x, y, right, bottom])({box})")
        for box in ("$('pad').getBoundingClientRect()", "$('verdict').getBoundingClientRect()")
    )
    for x, y, right, bottom in (pad, verdict):
        assert x >= 0
        assert y >= 0
        assert right <= width
        assert bottom <= height
    assert verdict[3] <= pad[1] if width < height else verdict[0] >= pad[2]
    assert page("scrollY") == 0
    assert page.shown["answer"] == "1"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_forced_palette_leaves_bars_and_ink_visible(page: Page, scheme: str) -> None:
    page.browser.prefer(prefers_color_scheme=scheme, forced_colors="active")
    page.open()
    page.browser.draw(page.on_pad([(0.5, 0.2), (0.5, 0.8)]))
    page.browser.painted()
    seen = page("""(() => {
      const of = (selector, name) => getComputedStyle(document.querySelector(selector))[name];
      const middle = $("pad").width / 2;
      const [r, g, b] = $("pad").getContext("2d").getImageData(middle, middle, 1, 1).data;
      return {
        ground: of(".paper", "backgroundColor"), ink: `rgb(${r}, ${g}, ${b})`,
        best: of(".best .fill", "backgroundColor"), fill: of(".fill", "backgroundColor"),
        track: of(".track", "borderTopColor"), theme: of("#theme", "display"),
      };
    })()""")
    assert len({seen["ground"], seen["best"], seen["fill"]}) == 3
    assert seen["track"] == seen["fill"] == seen["ink"]
    assert seen["theme"] == "none"
    page.browser.prefer(prefers_color_scheme="light", forced_colors="none")


def test_colors_follow_the_system_until_the_button_is_pressed(page: Page) -> None:
    def ground() -> str:
        return str(page("getComputedStyle(document.documentElement).backgroundColor"))

    def ground_when(system: str) -> str:
        page("window.query = matchMedia('(prefers-color-scheme: dark)')")
        page("void (window.heard = new Promise((done) => query.addEventListener('change', done)))")
        page.browser.prefer(prefers_color_scheme=system)
        page("heard.then(() => true)")
        return ground()

    light, dark = ground(), ground_when("dark")
    assert light != dark
    assert page("$('theme').getAttribute('aria-pressed')") == "true"
    page("$('theme').click()")
    assert [ground(), ground_when("light"), ground_when("dark")] == [light] * 3
    assert page("$('theme').getAttribute('aria-pressed')") == "false"
