"""Waiting for what is new on the engine's topics: one look at the file for all who wait, and none when nobody does."""

import asyncio
import sqlite3
from pathlib import Path

from services.runtime import frames

PAUSE = 0.03  # seconds between two looks


class Pulse:
    """Looks at `PRAGMA data_version`, which costs microseconds, and at the topics only when it has changed."""

    def __init__(self, path: Path, pause: float = PAUSE):
        self._path, self._pause = path, pause
        self._open: sqlite3.Connection | None = None
        self._waiting: dict[asyncio.Future[None], tuple[str, int]] = {}
        self._looking: asyncio.Task[None] | None = None

    async def beyond(self, topic: str, offset: int, seconds: float) -> None:
        """Return when the topic has come beyond this offset, or after so many seconds."""
        if frames.end(self._db, topic) > offset:
            return
        future = asyncio.get_running_loop().create_future()
        self._waiting[future] = (topic, offset)
        if self._looking is None or self._looking.done():
            self._looking = asyncio.create_task(self._look())
        try:
            await asyncio.wait([future], timeout=seconds)
        finally:
            del self._waiting[future]

    def wake(self) -> None:
        """Let everybody who waits return now."""
        for future in self._waiting:
            if not future.done():
                future.set_result(None)

    @property
    def _db(self) -> sqlite3.Connection:
        if self._open is None:
            self._open = frames.open_reader(self._path)
        return self._open

    async def _look(self) -> None:
        seen = None
        while self._waiting:
            version = self._db.execute("PRAGMA data_version").fetchone()
            if version != seen:
                seen = version
                self._tell()
            await asyncio.sleep(self._pause)

    def _tell(self) -> None:
        ends = {topic: frames.end(self._db, topic) for topic, _ in self._waiting.values()}
        for future, (topic, offset) in self._waiting.items():
            if ends[topic] > offset and not future.done():
                future.set_result(None)
