"""A headless Chromium, spoken to over a pipe in its DevTools protocol: for tests of pages as they are seen."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


class Browser:
    """One page of a browser. `reads`, `writes`: file descriptors of its pipe."""

    def __init__(self, reads: int, writes: int) -> None:
        self._reads, self._writes, self._left, self._number = reads, writes, b"", 0
        self._session = ""
        target = self.send("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.send("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]

    def send(self, method: str, **params: Any) -> dict[str, Any]:
        """A command's result. Raises RuntimeError where the browser refuses it."""
        self._number += 1
        message: dict[str, Any] = {"id": self._number, "method": method, "params": params}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._writes, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._next()
            if answer.get("id") == self._number:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']['message']}")
                return dict(answer["result"])

    def open(self, page: Path, width: int, *, dark: bool = False) -> None:
        """Show a file at a width in pixels, when all of it is loaded."""
        self.send(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=800,
            deviceScaleFactor=1,
            mobile=width < 600,
        )
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.send("Emulation.setEmulatedMedia", features=[scheme])
        self.send("Page.navigate", url=page.as_uri())
        ready = "document.readyState == 'complete' ? done() : addEventListener('load', () => done())"
        self.ask(f"new Promise(done => {ready})")

    def ask(self, expression: str) -> Any:
        """The value of an expression in the page, waited for."""
        asked = self.send("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in asked, asked
        return asked["result"].get("value")

    def _next(self) -> dict[str, Any]:
        while b"\0" not in self._left:
            read = os.read(self._reads, 1 << 20)
            if not read:
                raise RuntimeError("the browser is gone")
            self._left += read
        first, self._left = self._left.split(b"\0", 1)
        return dict(json.loads(first))


@contextmanager
def browser(profile: Path) -> Iterator[Browser]:
    """A browser of its own, ended afterwards. `profile`: an empty folder."""
    assert CHROMIUM is not None
    theirs_in, ours_out = os.pipe()
    ours_in, theirs_out = os.pipe()
    flags = "--headless=new --no-sandbox --disable-gpu --remote-debugging-pipe"
    script = f'exec "$0" {flags} "--user-data-dir=$1" 3<&{theirs_in} 4>&{theirs_out}'
    process = subprocess.Popen(
        ["bash", "-c", script, CHROMIUM, str(profile)],
        pass_fds=(theirs_in, theirs_out),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    os.close(theirs_in)
    os.close(theirs_out)
    try:
        yield Browser(ours_in, ours_out)
    finally:
        process.kill()
        process.wait()
        os.close(ours_in)
        os.close(ours_out)
