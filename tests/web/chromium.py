"""A real browser, pages on an origin of their own, and a collector that listens: what the tests of this folder need."""

import os
import shutil
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NoReturn

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from tests.e2e.running import eventually
from tests.ingest.listening import ListeningPlatform

ROOT = Path(__file__).parents[2]
ARGUMENTS = ["--no-sandbox", "--host-resolver-rules=MAP *.shop.test 127.0.0.1"]
PACKAGES = ROOT / ".cache" / "npm" / "node_modules"


def lacking(what: str) -> NoReturn:
    """A laptop may lack it, CI may not."""
    told = f"{what}: run `bash scripts/browser.sh`"
    pytest.fail(told) if os.environ.get("CI") else pytest.skip(told)


def package(path: str) -> Path:
    """A file of an npm package."""
    found = PACKAGES / path
    return found if found.exists() else lacking(f"the npm package {path} is missing")


@contextmanager
def chromium() -> Iterator[Browser]:
    """Playwright's loop belongs to this thread while it runs, so whoever uses this must not leave it open."""
    paths = (shutil.which(name) for name in ("chromium", "chromium-browser", "google-chrome"))
    path = next(filter(None, paths), None) or lacking("there is no Chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=ARGUMENTS)
        yield browser
        browser.close()


class Collector(ListeningPlatform):
    """The real collector over a journal in memory, which a browser can reach, by a clock that says today."""

    def __init__(self) -> None:
        super().__init__()
        self.platform.now = int(time.time() * 1000)

    def sent(self, count: int = 0) -> list[dict[str, Any]]:
        """Every touchpoint once, by messageId, in the order of their timestamps; waits until there are `count`."""

        def known() -> dict[str, dict[str, Any]]:
            return {one["message_id"]: one for one in self.platform.touchpoints}

        eventually(lambda: len(known()) >= count)
        assert not self.platform.rejected
        return sorted(known().values(), key=lambda one: (one["original_timestamp"], one["message_id"]))

    def events(self, count: int = 0) -> list[str]:
        """What was sent, in words: the event of a track call, the type of any other."""
        return [one["event"] if one["type"] == "track" else one["type"] for one in self.sent(count)]


class Site:
    """Web pages, by path, at http://localhost: another origin than the collector's."""

    def __init__(self) -> None:
        self.pages: dict[str, str] = {}
        self.headers: dict[str, str] = {}
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self.url = f"http://localhost:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()


def _handler(site: Site) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path = self.path.partition("?")[0]
            if path.startswith("/npm/"):
                kind, data = "text/javascript", (PACKAGES / path.removeprefix("/npm/")).read_bytes()
            else:
                kind, data = "text/html; charset=utf-8", site.pages.get(path, "").encode()
            self.send_response(404 if not data and path != "/favicon.ico" else 200)
            for name, value in {"content-type": kind, "content-length": str(len(data)), **site.headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_: Any) -> None:
            pass

    return Handler


def said(page: Page) -> list[str]:
    """What the page writes to its console from now on, and what it throws."""
    lines: list[str] = []
    page.on("console", lambda message: lines.append(f"{message.type}: {message.text}"))
    page.on("pageerror", lambda error: lines.append(f"error: {error}"))
    return lines
