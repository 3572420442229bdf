"""The topics as the warehouse reads them: from the SQLite files that the other processes write."""

import sqlite3
from contextlib import suppress

from schemas.topics import TOPICS
from services.runtime import frames
from services.runtime.files import Files
from services.runtime.frames import StoredFrame


class TopicFiles:
    """The collectors' topics lie in log.db, delivery's in ledger.db, the engine's in state.db.

    The files must be there (`rapport up` makes them before it starts a process).
    """

    def __init__(self, files: Files):
        self._log, self._state = frames.open_reader(files.log), frames.open_reader(files.state)
        self._ledger = frames.open_reader(files.ledger)

    def _file(self, topic: str) -> sqlite3.Connection:
        producers = TOPICS[topic].producers
        if "collectors" in producers:
            return self._log
        return self._ledger if "delivery" in producers else self._state

    def incarnation(self, topic: str) -> str:
        """Which life of its file this is."""
        return frames.incarnation(self._file(topic))

    def end(self, topic: str) -> int:
        """The offset that the next frame will get."""
        return frames.end(self._file(topic), topic)

    def read(self, topic: str, start: int, limit: int) -> list[StoredFrame]:
        """The frames from `start` on, until they hold about `limit` lines."""
        return frames.read(self._file(topic), topic, start, limit)

    def close(self) -> None:
        """Close the files."""
        for file in (self._log, self._state, self._ledger):
            with suppress(sqlite3.Error):
                file.close()
