"""A model as a web page to draw digits on: one file that needs neither server nor network.

`join.py` puts the page together from the sources beside it: `page.html` and `style.css`;
`network.js`, the forward pass; `digit.js`, MNIST's preparation; `strokes.js`, `drawing.js`,
`pen.js`, `keys.js` and `samples.js`, the drawing; `views.js`, `scheme.js` and `app.js`, what
is shown.
"""

from mnn_gpu.interop.web_page.build import page_html, write_page

__all__ = ["page_html", "write_page"]
