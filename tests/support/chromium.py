"""A headless Chromium for tests and screenshots of the page, controlled like by a user."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.support.devtools import Connection, executable

__all__ = ["Chromium", "executable"]


class Chromium(Connection):
    """A browser with one tab and a temporary profile."""

    def open(self, path: Path) -> None:
        """Open a file and wait until it has been loaded."""
        before = len(self.events)
        self.send("Page.navigate", url=path.absolute().as_uri())
        while not any(event["method"] == "Page.loadEventFired" for event in self.events[before:]):
            self.events.append(self._read())

    def evaluate(self, expression: str) -> Any:
        """Return the value of a JavaScript expression, which may be a promise."""
        result = self.send(
            "Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True
        )
        if "exceptionDetails" in result:
            raise RuntimeError(result["exceptionDetails"]["exception"]["description"])
        return result["result"].get("value")

    def painted(self) -> None:
        """Wait until pending changes have been painted."""
        self.evaluate("new Promise(done => requestAnimationFrame(() => setTimeout(done, 0)))")

    def screen(self, width: int, height: int, *, scale: float = 1, phone: bool = False) -> None:
        """Set the size in CSS pixels, the device pixel ratio, and whether it is a phone."""
        self.send(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=scale,
            mobile=phone,
        )
        self.send("Emulation.setTouchEmulationEnabled", enabled=phone)

    def prefer(self, **features: str) -> None:
        """Set media features, such as ``prefers_color_scheme="dark"``."""
        given = [{"name": k.replace("_", "-"), "value": v} for k, v in features.items()]
        self.send("Emulation.setEmulatedMedia", features=given)
        # It reaches the tab by another path than the messages.
        query = " and ".join(f"({each['name']}: {each['value']})" for each in given)
        self.evaluate(f"""new Promise((done) => {{
          const see = () => (matchMedia("{query}").matches ? done() : setTimeout(see, 5));
          see();
        }})""")

    def key(self, key: str, modifiers: int = 0) -> None:
        """Press and release a key."""
        text = {"text": key} if len(key) == 1 and not modifiers else {}
        code = {"Tab": 9, "Enter": 13, "Delete": 46, "Backspace": 8}.get(key, 0)
        for kind in ("keyDown", "keyUp"):
            self.send(
                "Input.dispatchKeyEvent",
                type=kind,
                key=key,
                modifiers=modifiers,
                windowsVirtualKeyCode=code,
                **(text if kind == "keyDown" else {}),
            )

    def draw(self, points: Sequence[tuple[float, float]]) -> None:
        """Draw a line with the mouse through points in CSS pixels."""
        common = {"button": "left", "clickCount": 1}
        kinds = ["mousePressed"] + ["mouseMoved"] * (len(points) - 1) + ["mouseReleased"]
        places = [{"x": x, "y": y} for x, y in [*points, points[-1]]]
        held = [*[1] * len(points), 0]
        self._input(
            "Input.dispatchMouseEvent",
            [
                {"type": kind, "buttons": buttons, **place, **common}
                for kind, buttons, place in zip(kinds, held, places, strict=True)
            ],
        )

    def touch(self, points: Sequence[tuple[float, float]]) -> None:
        """Draw a line with a finger through points in CSS pixels."""
        kinds = ["touchStart"] + ["touchMove"] * (len(points) - 1) + ["touchEnd"]
        places = [*[[{"x": x, "y": y}] for x, y in points], []]
        self._input(
            "Input.dispatchTouchEvent",
            [{"type": k, "touchPoints": place} for k, place in zip(kinds, places, strict=True)],
        )

    def _input(self, method: str, events: list[dict[str, Any]]) -> None:
        """Send events at the speed of a hand, without waiting for each answer."""
        for number in [self._ask(method, event) for event in events]:
            self._answer(number)

    def screenshot(self) -> bytes:
        """Return a screenshot of the whole page as a PNG file."""
        shot = self.send("Page.captureScreenshot", format="png", captureBeyondViewport=True)
        return base64.b64decode(shot["data"])
