"""A pipe to a headless Chromium, controlled over the DevTools protocol.

https://chromedevtools.github.io/devtools-protocol/ with --remote-debugging-pipe: messages are
JSON that ends in a zero byte, on the browser's file descriptors 3 and 4.
"""

from __future__ import annotations

import json
import os
import select
import shutil
import subprocess
import tempfile
from types import TracebackType
from typing import Any, Self

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
PATIENCE = 30
"""Seconds without a message after which the browser is considered dead."""
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
    """Return the path of Chromium, None if it is not installed."""
    return next(filter(None, map(shutil.which, NAMES)), None)


class Connection:
    """A browser with one tab and a temporary profile.

    Attributes
    ----------
    events : list of dict
        Events of the tab read so far: console, errors, requests.
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

    def __enter__(self) -> Self:
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
        """Send a command and return its result; events in between are added to `events`."""
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
                raise RuntimeError(f"Chromium has not responded for {PATIENCE} s.")
            more = os.read(self._in, 1 << 20)
            if not more:
                raise RuntimeError("Chromium ended.")
            self._unread += more
        message, _, self._unread = self._unread.partition(b"\0")
        result: dict[str, Any] = json.loads(message)
        return result
