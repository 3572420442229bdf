"""The real tracking API over a journal in memory, behind a real socket that can be closed and opened again."""

import asyncio
import socket
import threading
from contextlib import suppress
from pathlib import Path
from typing import Any

import uvicorn
from rapport_sdk import Client, Rejection

from services.ingest.sources import Limits
from tests.ingest.ingest_platform import Platform


class Listening:
    """`url` stays the same after `away` and `back`."""

    def __init__(self, limits: Limits | None = None) -> None:
        self.platform, self.port = Platform(limits or Limits()), 0
        self.back()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def sent(self) -> list[str]:
        """The message ids of what was accepted, in order, with what came twice."""
        return [touchpoint["message_id"] for touchpoint in self.platform.touchpoints]

    def refusals(self, status: int) -> float:
        """How many requests were answered with this status."""
        return self.platform.registry.get_sample_value("rapport_ingest_requests_total", {"status": str(status)}) or 0.0

    def back(self) -> None:
        """Listen. Who connects before the server runs is served when it does."""
        self._socket = socket.create_server(("127.0.0.1", self.port))
        self.port = self._socket.getsockname()[1]
        config = uvicorn.Config(self.platform.app, log_level="critical", access_log=False, timeout_graceful_shutdown=1)
        self._server = uvicorn.Server(config)
        run = lambda: asyncio.run(self._server.serve([self._socket]))  # noqa: E731
        self._thread = threading.Thread(target=run, daemon=True)
        self._thread.start()

    def away(self) -> None:
        self._server.should_exit = True
        self._thread.join(10)
        with suppress(OSError):
            self._socket.close()

    def client(self, buffer: Path, refused: list[Rejection] | None = None, **given: Any) -> Client:
        heard = list[Rejection]() if refused is None else refused
        usual = {"interval": 0.02, "on_error": heard.append}
        return Client("key-shop", self.url, buffer=buffer, **{**usual, **given})
