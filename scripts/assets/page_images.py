"""Images of the page to draw digits on, light and dark.

python -m scripts.assets.page_images
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from mnn_gpu import load_model
from mnn_gpu.interop.web_page import write_page
from scripts.benchmarks.harness import RESULTS
from tests.support.chromium import Chromium

WIDTH, DIGIT = 1100, 3


def image(browser: Chromium, page: Path, scheme: str) -> bytes:
    """Return an image of a page, as a PNG file, with a sample digit drawn on it."""
    browser.prefer(prefers_color_scheme=scheme, prefers_reduced_motion="reduce")
    browser.screen(WIDTH, 100)
    browser.open(page)
    browser.evaluate(f"document.querySelectorAll('#samples button')[{DIGIT}].click()")
    browser.screen(WIDTH, browser.evaluate("document.documentElement.offsetHeight"))
    browser.painted()
    return browser.screenshot()


def main() -> None:
    """Write page-light.png and page-dark.png."""
    with tempfile.TemporaryDirectory() as temporary, Chromium() as browser:
        page = Path(temporary) / "page.html"
        write_page(page, load_model("record"))
        for scheme in ("light", "dark"):
            (RESULTS / f"page-{scheme}.png").write_bytes(image(browser, page, scheme))


if __name__ == "__main__":
    main()
