"""A headless Chromium, spoken to over a pipe by its own protocol: what a page fetches, throws and shows."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
FLAGS = (
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--remote-debugging-pipe",
)  # fmt: skip
ABOVE = 20  # numbers of files that neither end of the pipe is renumbered to


def browser() -> str | None:
    """Return the system's Chromium; None where there is none."""
    return next((path for name in NAMES if (path := shutil.which(name))), None)


class Chromium:
    """One page of a browser; what it told is in ``events``."""

    def __init__(self, read: int, write: int) -> None:
        self._read, self._write = os.fdopen(read, "rb", 0), os.fdopen(write, "wb", 0)
        self._number, self._held = 0, b""
        self._session = ""
        self.events: list[dict[str, Any]] = []
        target = self.ask("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.ask("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Network", "Runtime", "Log", "DOM"):
            self.ask(f"{domain}.enable")

    def ask(self, method: str, **params: Any) -> dict[str, Any]:
        """Send a command and return its answer; events on the way are kept."""
        self._number += 1
        said = {"id": self._number, "method": method, "params": params}
        said |= {"sessionId": self._session} if self._session else {}
        self._write.write(json.dumps(said).encode() + b"\0")
        while True:
            told = self._next()
            if told.get("id") == self._number:
                assert "error" not in told, told
                return told["result"]

    def open(self, path: Path) -> None:
        """Open a file and wait until it is loaded."""
        self.events.clear()
        self.ask("Page.navigate", url=path.as_uri())
        while not self.of("Page.loadEventFired"):
            self._next()

    def of(self, method: str) -> list[dict[str, Any]]:
        """Return the events of one kind since the page was opened."""
        return [event["params"] for event in self.events if event["method"] == method]

    def value(self, script: str) -> Any:
        """Return what a script gives."""
        found = self.ask("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in found, found
        return found["result"].get("value")

    def fetched(self) -> list[str]:
        """Return every address that was asked for, the page itself and what it holds within it apart."""
        asked = [event["request"]["url"] for event in self.of("Network.requestWillBeSent")]
        return [url for url in asked[1:] if not url.startswith("data:")]

    def thrown(self) -> list[dict[str, Any]]:
        """Return what was thrown, refused or warned of."""
        return [
            *self.of("Runtime.exceptionThrown"),
            *self.of("Log.entryAdded"),
            *self.of("Runtime.consoleAPICalled"),
        ]

    def _next(self) -> dict[str, Any]:
        while b"\0" not in self._held:
            some = self._read.read(1 << 16)
            if not some:
                msg = "the browser is gone"
                raise RuntimeError(msg)
            self._held += some
        line, _, self._held = self._held.partition(b"\0")
        told: dict[str, Any] = json.loads(line)
        if "method" in told:
            self.events.append(told)
        return told

    def close(self) -> None:
        """Close both ends of the pipe."""
        self._read.close()
        self._write.close()


@contextmanager
def chromium(program: str, folder: Path) -> Iterator[Chromium]:
    """Start a browser with a profile in ``folder``, and end it."""
    to_child, ours_out = os.pipe()
    ours_in, from_child = os.pipe()
    ends = [fcntl.fcntl(end, fcntl.F_DUPFD, ABOVE) for end in (to_child, from_child)]
    os.close(to_child)
    os.close(from_child)
    script = (
        "import os, sys; r, w, *c = sys.argv[1:]; os.dup2(int(r), 3); os.dup2(int(w), 4); os.execv(c[0], c)"
    )
    wrapped = [sys.executable, "-S", "-c", script, *map(str, ends)]
    command = [*wrapped, program, *FLAGS, f"--user-data-dir={folder}", "about:blank"]
    child = subprocess.Popen(command, pass_fds=ends, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    for end in ends:
        os.close(end)
    try:
        page = Chromium(ours_in, ours_out)
        yield page
        page.close()
    finally:
        child.kill()
        child.wait()
