"""The tracking API over a journal in memory, behind a real socket that can be closed and opened again."""

import asyncio
import socket
import threading
from contextlib import suppress

import uvicorn

from services.ingest.sources import Limits
from tests.ingest.ingest_platform import Platform


class ListeningPlatform:
    """It listens on a free port of the loopback interface. `url` stays the same after `away` and `back`."""

    def __init__(self, limits: Limits | None = None) -> None:
        self.platform, self.port = Platform(limits or Limits()), 0
        self.back()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def back(self) -> None:
        """Listen. Who connects before the server runs is served when it does."""
        self._socket = listener = socket.create_server(("127.0.0.1", self.port))
        self.port = listener.getsockname()[1]
        config = uvicorn.Config(self.platform.app, log_level="critical", access_log=False, timeout_graceful_shutdown=1)
        self._server = server = uvicorn.Server(config)
        self._thread = threading.Thread(target=lambda: asyncio.run(server.serve([listener])), daemon=True)
        self._thread.start()

    def away(self) -> None:
        """Answer nobody any more."""
        self._server.should_exit = True
        self._thread.join(10)
        with suppress(OSError):
            self._socket.close()
