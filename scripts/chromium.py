"""A headless Chromium, driven over a pipe with its own protocol: for the page's tests and pictures.

https://chromedevtools.github.io/devtools-protocol/ with --remote-debugging-pipe: messages are
JSON that ends in a zero byte, on the browser's file descriptors 3 and 4.
"""

from __future__ import annotations

import base64
import json
import os
import select
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
PATIENCE = 30
"""Seconds without a word after which a browser is given up."""
FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--hide-scrollbars",
    "--force-color-profile=srgb",
    "--remote-debugging-pipe",
)


def executable() -> str | None:
    """Return Chromium's path, or None where there is none."""
    return next(filter(None, map(shutil.which, NAMES)), None)


class Chromium:
    """A browser with one tab, in a profile of its own that ends with it.

    Attributes
    ----------
    events : list of dict
        What the tab reported, as far as it has been read: console, errors, requests.
    """

    def __init__(self) -> None:
        program = executable()
        assert program is not None
        self._profile = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
        (there, self._out), (self._in, back) = os.pipe(), os.pipe()
        command = [program, *FLAGS, f"--user-data-dir={self._profile.name}", "about:blank"]
        self._process = subprocess.Popen(
            ["bash", "-c", f'exec "$@" 3<&{there} 4>&{back}', "chromium", *command],
            pass_fds=(there, back),
            stderr=subprocess.DEVNULL,
        )
        os.close(there)
        os.close(back)
        self._unread = b""
        self._count = 0
        self._session: str | None = None
        self.events: list[dict[str, Any]] = []
        self._attach()

    def _attach(self) -> None:
        targets = self.send("Target.getTargets")["targetInfos"]
        [tab] = [target["targetId"] for target in targets if target["type"] == "page"]
        self._session = self.send("Target.attachToTarget", targetId=tab, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.send(f"{domain}.enable")

    def __enter__(self) -> Chromium:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._process.terminate()
        try:
            self._process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        os.close(self._out)
        os.close(self._in)
        self._profile.cleanup()

    def send(self, method: str, **params: Any) -> Any:
        """Have something done and return its result; what happens meanwhile goes to `events`."""
        return self._answer(self._ask(method, params))

    def _ask(self, method: str, params: dict[str, Any]) -> int:
        self._count += 1
        message = {"id": self._count, "method": method, "params": params}
        if self._session is not None:
            message["sessionId"] = self._session
        os.write(self._out, json.dumps(message).encode() + b"\0")
        return self._count

    def _answer(self, number: int) -> Any:
        while (answer := self._read()).get("id") != number:
            self.events.append(answer)
        if "error" in answer:
            raise RuntimeError(answer["error"])
        return answer["result"]

    def _read(self) -> dict[str, Any]:
        while b"\0" not in self._unread:
            heard, _, _ = select.select([self._in], [], [], PATIENCE)
            if not heard:
                raise RuntimeError(f"Chromium has said nothing for {PATIENCE} s.")
            more = os.read(self._in, 1 << 20)
            if not more:
                raise RuntimeError("Chromium ended.")
            self._unread += more
        message, _, self._unread = self._unread.partition(b"\0")
        result: dict[str, Any] = json.loads(message)
        return result

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
        """Wait until what was asked for has been painted."""
        self.evaluate("new Promise(done => requestAnimationFrame(() => setTimeout(done, 0)))")

    def screen(self, width: int, height: int, *, scale: float = 1, phone: bool = False) -> None:
        """Set the size in CSS pixels, the pixels of each, and whether it is a phone's."""
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
        # It comes to the tab on another way than the messages do.
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
        """Send events as fast as a hand's, without waiting for the answer to each."""
        for number in [self._ask(method, event) for event in events]:
            self._answer(number)

    def picture(self) -> bytes:
        """Return the whole page as a PNG file."""
        shot = self.send("Page.captureScreenshot", format="png", captureBeyondViewport=True)
        return base64.b64decode(shot["data"])
