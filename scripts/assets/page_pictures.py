"""Images of the page to draw digits on, light and dark.

python -m scripts.assets.page_pictures
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from mnn_gpu import load_model
from mnn_gpu.interop.web_page import write_page
from mnn_gpu.storage.atomic_write import write_atomically
from tests.support.chromium import Chromium

WIDTH, DIGIT = 1100, 3
RESULTS = Path(__file__).parents[1] / "results"


def picture(browser: Chromium, page: Path, scheme: str) -> bytes:
    """Return a picture of a page, as a PNG file, with a sample digit drawn on it."""
    browser.prefer(prefers_color_scheme=scheme, prefers_reduced_motion="reduce")
    browser.screen(WIDTH, 100)
    browser.open(page)
    browser.evaluate(f"document.querySelectorAll('#samples button')[{DIGIT}].click()")
    browser.screen(WIDTH, browser.evaluate("document.documentElement.offsetHeight"))
    browser.painted()
    return browser.picture()


def main() -> None:
    """Write page-light.png and page-dark.png."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", nargs="?", type=Path, default=RESULTS, help="where to write them")
    folder = parser.parse_args().folder
    with tempfile.TemporaryDirectory() as temporary, Chromium() as browser:
        page = Path(temporary) / "page.html"
        write_page(page, load_model("record"))
        for scheme in ("light", "dark"):
            write_atomically(folder / f"page-{scheme}.png", picture(browser, page, scheme))


if __name__ == "__main__":
    main()
