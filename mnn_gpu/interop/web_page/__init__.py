"""A model as a web page to draw digits on: a single file that needs no server and no network.

`build.py` joins the sources in this folder: `page.html` and `style.css`; `network.js`, the
forward pass; `digit.js`, preprocessing as in MNIST; `strokes.js`, `drawing.js`, `pen.js`,
`keys.js` and `samples.js`, the drawing; `views.js`, `scheme.js` and `app.js`, the display.
"""

from mnn_gpu.interop.web_page.build import page_html, write_page

__all__ = ["page_html", "write_page"]
