"""HTTP/1.1 with an end to everything that comes before an application is asked.

uvicorn reads a request's head however long it is and however long it takes: anybody could fill the memory with one
header that never ends, or hold connections for ever. Bodies are the applications' business; they have their own bounds.
"""

import asyncio

from uvicorn._types import ASGI3Application
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

MOST_HEAD = 64 * 1024  # bytes that may come in a row without a head, a piece of a body or its end being whole
MOST_WAITING = 1_000  # requests of one connection that wait for the answer to the one before them
SECONDS = 20.0  # that a connection may be open, or go on sending, without any of these being whole
_TOO_LARGE = (
    b"HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-type: text/plain\r\nconnection: close\r\n"
    b"content-length: 46\r\n\r\nURL and headers are larger than 64 KB together"
)


class BoundedHttp(HttpToolsProtocol):
    """uvicorn's protocol within bounds. A connection that goes beyond them is closed."""

    _went_on = False  # whether the bytes just read have made anything whole
    _stuck = 0  # bytes read since something was
    _late: asyncio.TimerHandle | None = None
    _answered: RequestResponseCycle | None = None  # the request that is being answered; uvicorn knows the newest only

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """A connection: its first request has to come soon."""
        super().connection_made(transport)
        self._hurry()

    def connection_lost(self, exc: Exception | None) -> None:
        """Its end."""
        self._take_time()
        self._nobody_listens()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Bytes. Too many that make nothing whole are answered with 431."""
        if self.transport.is_closing():
            return
        self._went_on = False
        super().data_received(data)
        if self.transport.is_closing():
            self._nobody_listens()
        if self._went_on:
            self._stuck = 0
            self._take_time()
            return
        self._stuck += len(data)
        self._hurry()
        if self._stuck > MOST_HEAD and not self.transport.is_closing():
            self.transport.write(_TOO_LARGE)
            self.transport.close()

    def on_headers_complete(self) -> None:
        """A head is whole."""
        self._went_on = True
        if len(self.pipeline) < MOST_WAITING:
            super().on_headers_complete()
        elif not self.transport.is_closing():
            self.transport.abort()

    def on_body(self, body: bytes) -> None:
        """A piece of a body."""
        self._went_on = True
        super().on_body(body)

    def on_message_complete(self) -> None:
        """The end of a body, and of what may follow it."""
        self._went_on = True
        super().on_message_complete()

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: ASGI3Application) -> None:
        self._answered = cycle
        super()._start_asgi_task(cycle, app)

    def _nobody_listens(self) -> None:
        """An answer that comes now goes nowhere; else writing it to a closed connection would raise."""
        if self._answered is not None:
            self._answered.disconnected = True
            self._answered.message_event.set()

    def _hurry(self) -> None:
        if self._late is None:
            self._late = self.loop.call_later(SECONDS, self.transport.close)

    def _take_time(self) -> None:
        if self._late is not None:
            self._late.cancel()
            self._late = None
