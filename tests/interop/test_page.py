"""The page to draw digits on, without a browser: its content, and its scripts in Node."""

from __future__ import annotations

import base64
import json
import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mnn_gpu import Model, UsageError, load_mnist, load_model, predict, predict_proba
from mnn_gpu.interop import web_page as page_package
from mnn_gpu.interop.web_page import page_html, write_page
from tests.support.models import random_model

SOURCES = Path(page_package.__file__).parent
RUN_IN_NODE = """
const given = JSON.parse(require("fs").readFileSync(0, "utf8"));
const bytes = (text) => new Uint8Array(Buffer.from(text, "base64"));
process.stdout.write(JSON.stringify(answer(given)));
"""


class Parsed(HTMLParser):
    """A parsed page: its tags, and the text of its scripts."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        if self.tags and self.tags[-1][0] == "script" and data.strip():
            self.texts.append(data)

    @property
    def data(self) -> dict[str, Any]:
        """The model's data in the page."""
        result: dict[str, Any] = json.loads(self.texts[-1])
        return result


def small_model(**info: Any) -> Model:
    model = random_model((784, 12, 7, 3), classes=[2, 3, 7])
    return Model(model.theta, model.layer_sizes, model.classes, info)


def stored(data: dict[str, Any]) -> npt.NDArray[Any]:
    return np.frombuffer(base64.b64decode(data["theta"]), np.dtype(data["dtype"]).newbyteorder("<"))


# ---- content -------------------------------------------------------------------------


def test_the_record_makes_a_page_under_four_megabytes(tmp_path: Path) -> None:
    write_page(tmp_path / "page.html", load_model("record"))
    assert (tmp_path / "page.html").stat().st_size < 4_000_000


def test_the_page_is_self_contained_and_may_not_use_the_network() -> None:
    page = Parsed(page_html(small_model()))
    links = [
        str(value)
        for _, attributes in page.tags
        for name, value in attributes.items()
        if name in {"src", "href", "action", "srcset", "data"}
    ]
    assert all(link.startswith("data:") for link in links)
    policy = next(a["content"] for _, a in page.tags if a.get("http-equiv"))
    assert policy is not None
    rules = dict(rule.split(maxsplit=1) for rule in policy.split("; "))
    assert rules["default-src"] == "'none'"
    assert set(rules) - {"default-src"} == {
        "img-src",
        "style-src",
        "script-src",
        "base-uri",
        "form-action",
    }
    assert rules["img-src"] == "data:"
    assert all(re.fullmatch(r"'sha256-\S+'", rules[name]) for name in ("style-src", "script-src"))


def test_the_parameters_are_float16_unless_one_exceeds_its_range() -> None:
    model = small_model()
    for scale, expected in ((1, "float16"), (1e6, "float32")):
        scaled = Model(model.theta * scale, model.layer_sizes, model.classes)
        data = Parsed(page_html(scaled)).data
        assert data["dtype"] == expected
        np.testing.assert_array_equal(stored(data), scaled.theta.astype(expected))


def test_the_parameters_are_stored_as_requested_but_not_as_float64() -> None:
    model = small_model()
    for dtype in ("float16", "float32"):
        data = Parsed(page_html(model, dtype=dtype)).data
        np.testing.assert_array_equal(stored(data), model.theta.astype(dtype))
    with pytest.raises(UsageError, match="dtype is 'float64'") as caught:
        page_html(model, dtype="float64")
    assert caught.value.cure == "Give one of: float16, float32."


def test_a_model_of_other_inputs_is_refused_with_a_cure(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="12 inputs, but the page draws 28 x 28") as caught:
        write_page(tmp_path / "page.html", random_model((12, 5, 3)))
    assert "MNIST" in caught.value.cure
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("info", "expected"),
    [
        ({"test_accuracy": 0.996, "held_out_accuracy": 0.9}, {"rows": "test", "value": 0.996}),
        ({"held_out_accuracy": 0.9}, {"rows": "held-out", "value": 0.9}),
        ({"test_accuracy": "</script>"}, None),
        ({"test_accuracy": float("nan")}, None),
        ({}, None),
    ],
)
def test_the_page_shows_the_model_s_accuracy_if_its_info_has_one(
    info: dict[str, Any], expected: dict[str, Any] | None
) -> None:
    assert Parsed(page_html(small_model(**info))).data["accuracy"] == expected


@given(st.text(alphabet=st.sampled_from("</script>!-&'\"\\\u2028 $x")))
def test_text_in_the_data_cannot_end_the_script_element(text: str) -> None:
    from mnn_gpu.interop.web_page.build import _json

    written = _json({"text": text})
    assert not set(written) & set("<>&")
    assert json.loads(written) == {"text": text}


def test_the_labels_are_stored_in_full() -> None:
    labels = [0, 7, 2**63 - 1]
    model = random_model((784, 4, 3), classes=labels)
    assert Parsed(page_html(model)).data["classes"] == [str(label) for label in labels]


# ---- the colors ---------------------------------------------------------------------


def colors(block: str) -> dict[str, str]:
    return dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6});", block))


def contrast(first: str, second: str) -> float:
    """Return WCAG 2's contrast ratio of two colors."""

    def luminance(color: str) -> float:
        parts = np.array([int(color[i : i + 2], 16) for i in (1, 3, 5)]) / 255
        linear = np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)
        return float(linear @ [0.2126, 0.7152, 0.0722])

    low, high = sorted((luminance(first), luminance(second)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("block", [0, 1], ids=["light", "dark"])
def test_text_and_borders_have_the_contrast_of_wcag_aa(block: int) -> None:
    style = (SOURCES / "style.css").read_text()
    color = colors(re.findall(r":root.*?\{(.*?)\}", style, flags=re.DOTALL)[block])
    for ground in ("ground", "surface"):
        for text in ("ink", "quiet", "accent"):
            assert contrast(color[text], color[ground]) >= 4.5, (text, ground)
        assert contrast(color["edge"], color[ground]) >= 3, ground
    assert contrast(color["on-accent"], color["accent"]) >= 4.5
    assert contrast(color["accent"], color["cell-low"]) >= 3


# ---- in Node -------------------------------------------------------------------------


def node(program: str, given: dict[str, Any], tmp_path: Path) -> Any:
    """Return the result of ``answer(given)``, a function that the program adds to the page's."""
    executable = shutil.which("node")
    if executable is None:
        pytest.skip("node is not on the PATH")
    sources = [(SOURCES / f"{name}.js").read_text() for name in ("network", "digit")]
    path = tmp_path / "program.js"
    path.write_text("\n".join(['"use strict";', *sources, program, RUN_IN_NODE]))
    result = subprocess.run(
        [executable, path], input=json.dumps(given), capture_output=True, text=True, check=True
    )
    return json.loads(result.stdout)


def coded(array: npt.NDArray[Any]) -> str:
    return base64.b64encode(array.tobytes()).decode()


def prepared(images: npt.NDArray[np.uint8], tmp_path: Path) -> npt.NDArray[np.float64]:
    """Return (m, 784) from (m, height, width) images, as preprocessed by the page."""
    program = """
function answer({ images, width, height }) {
  const all = bytes(images);
  return Array.from({ length: all.length / (width * height) }, (_, i) => {
    const pixels = all.subarray(i * width * height, (i + 1) * width * height);
    return Array.from(prepareDigit({ width, height, pixels }) ?? [], (x) => Number(x.toFixed(6)));
  });
}"""
    _, height, width = images.shape
    given = {"images": coded(images), "width": width, "height": height}
    return np.array(node(program, given, tmp_path))


@pytest.mark.parametrize("dtype", ["float16", "float32"])
def test_the_forward_pass_is_that_of_the_package(tmp_path: Path, dtype: str) -> None:
    (_, _), (X, _) = load_mnist()
    model = small_model()
    data = Parsed(page_html(model, dtype=dtype)).data
    program = """
function answer({ model, X }) {
  const layers = unflatten(decode(model.theta, model.dtype), model.layer_sizes);
  const all = bytes(X);
  return Array.from({ length: all.length / 784 }, (_, i) => {
    const x = Float64Array.from(all.subarray(784 * i, 784 * (i + 1)), (byte) => byte / 255);
    return Array.from(forward(layers, x).at(-1));
  });
}"""
    actual = node(program, {"model": data, "X": coded(X[:20])}, tmp_path)
    same = Model(stored(data).astype(np.float64), model.layer_sizes, model.classes)
    np.testing.assert_allclose(actual, predict_proba(same, X[:20]), atol=1e-12)


def test_every_float16_is_decoded_correctly(tmp_path: Path) -> None:
    numbers = np.arange(2**16, dtype="<u2").view("<f2")
    finite = numbers[np.isfinite(numbers)]
    program = "function answer({ theta }) { return Array.from(decode(theta, 'float16')); }"
    actual = node(program, {"theta": coded(finite)}, tmp_path)
    np.testing.assert_array_equal(actual, finite.astype(np.float64))


def test_enlarged_digits_are_classified_as_well_as_the_originals(tmp_path: Path) -> None:
    (_, _), (X, y) = load_mnist()
    record = load_model("record")
    some = np.arange(0, len(X), 25)
    enlarged = X[some].reshape(-1, 28, 28).repeat(6, axis=1).repeat(6, axis=2)
    shown = prepared(enlarged, tmp_path)
    errors, errors_of_originals = (
        np.count_nonzero(predict(record, images) != y[some])
        for images in (np.rint(255 * shown).astype(np.uint8), X[some])
    )
    assert errors <= errors_of_originals + 0.005 * len(some)


def test_a_drawing_is_scaled_to_20_pixels_and_centered_by_mass(tmp_path: Path) -> None:
    """An L, heavier at the left and below, drawn anywhere and at any size."""
    images = np.zeros((3, 120, 120), np.uint8)
    for image, (top, left, size) in zip(
        images, ((5, 60, 50), (60, 4, 30), (0, 0, 120)), strict=True
    ):
        rows, columns = np.mgrid[:size, :size]
        corner = (columns < size // 5) | (rows >= size - size // 5)
        image[top : top + size, left : left + size] = 255 * corner
    shown = prepared(images, tmp_path).reshape(-1, 28, 28)
    for digit in shown:
        rows, columns = np.nonzero(digit > 0.1)
        assert np.ptp(rows) + 1 == np.ptp(columns) + 1 == 20
        center = [np.average(axis, weights=digit) for axis in np.mgrid[:28, :28]]
        np.testing.assert_allclose(center, 14, atol=0.5001)
    np.testing.assert_allclose(shown[1:], shown[:1].repeat(2, axis=0), atol=1e-6)


def test_extreme_drawings_are_processed(tmp_path: Path) -> None:
    """A single pixel fills the box; a thin line stays a line; an empty drawing is not a digit."""
    images = np.zeros((2, 40, 50), np.uint8)
    images[0, 39, 0] = 255
    images[1, :, 49] = 255
    dot, line = prepared(images, tmp_path).reshape(-1, 28, 28)
    assert dot.sum() == pytest.approx(400)
    assert line.sum() == pytest.approx(20)
    assert prepared(np.zeros((1, 40, 50), np.uint8), tmp_path).tolist() == [[]]
