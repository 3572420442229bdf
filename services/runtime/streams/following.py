"""The collector's side of the streams: who follows which topic, a bounded number at once, each as fast as it reads.

What is next is read when the last page has left for the network, so a slow reader costs one page of memory and nothing
else. All pages are read in one thread of their own, a few milliseconds each: the event loop stays free for events.
"""

import asyncio
import sqlite3
import threading
import time
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple, TypeVar

import structlog

from services.runtime import frames
from services.runtime.streams.position import Place
from services.runtime.streams.pulse import Pulse
from services.runtime.streams.reader import Gone, Page, StreamReader

MOST = 32  # streams at once
HEARTBEAT = 15.0  # seconds after which a line without anything in it shows that the stream lives

_log = structlog.get_logger()
Found = TypeVar("Found")


class Opened(NamedTuple):
    """A stream that can be read, from this position on."""

    position: str
    chunks: AsyncIterator[bytes]


class Following:
    """Streams out of the engine's file. `heartbeat` is in seconds."""

    def __init__(self, path: Path, heartbeat: float = HEARTBEAT):
        self._path, self._heartbeat = path, heartbeat
        self._pulse = Pulse(path)
        self._thread = ThreadPoolExecutor(1, "streams")
        self._local = threading.local()
        self._ended = False
        self.open = 0  # streams that are being read

    def end(self) -> None:
        """End all streams that wait for something new: their readers come again, with their positions."""
        self._ended = True
        self._pulse.wake()

    async def start(self, reader: StreamReader, wanted: str, follow: bool) -> Opened:
        """Begin where it is wanted. Raises what StreamReader.start raises, and sqlite3.Error before there is a file."""

        def begin(db: sqlite3.Connection) -> tuple[Place, str]:
            place = reader.start(db, wanted)
            return place, reader.position(db, place)

        place, position = await self._read(begin)
        return Opened(position, self._chunks(reader, place, follow))

    async def _chunks(self, reader: StreamReader, place: Place, follow: bool) -> AsyncIterator[bytes]:
        sent, until = time.monotonic(), None
        while not self._ended and (page := await self._page(reader, place)) is not None:
            if place.after is None:
                until = page.end if until is None else until  # the present end, seen when the snapshot was over
            place = page.place
            if follow and not page.lines and place.offset >= page.end:
                await self._pulse.beyond(reader.topic.name, place.offset, sent + self._heartbeat - time.monotonic())
            if page.lines or time.monotonic() >= sent + self._heartbeat:
                yield b"".join(page.lines) or b"\n"
                sent = time.monotonic()
            if not follow and until is not None and place.offset >= until:
                return

    async def _page(self, reader: StreamReader, place: Place) -> Page | None:
        """The next page; None when there can be none: the stream ends, and its reader hears why when it comes again."""
        try:
            return await self._read(lambda db: reader.page(db, place))
        except (Gone, sqlite3.Error) as error:
            _log.warning("a stream was ended", topic=reader.topic.name, reason=str(error))
            return None

    async def _read(self, look: Callable[[sqlite3.Connection], Found]) -> Found:
        return await asyncio.get_running_loop().run_in_executor(self._thread, lambda: look(self._connection()))

    def _connection(self) -> sqlite3.Connection:
        connection: sqlite3.Connection | None = getattr(self._local, "connection", None)
        if connection is None:
            connection = self._local.connection = frames.open_reader(self._path)
        return connection
