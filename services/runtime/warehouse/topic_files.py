"""The topics as the warehouse reads them: from the SQLite files that the other processes write."""

import sqlite3
from contextlib import suppress

from services.runtime import frames
from services.runtime.files import Files
from services.runtime.frames import StoredFrame
from services.runtime.topics import file_of


class TopicFiles:
    """The collectors' topics lie in log.db, delivery's in ledger.db, the engine's in state.db.

    The files must be there (`rapport up` makes them before it starts a process).
    """

    def __init__(self, files: Files):
        self._files = files
        self._readers = {path: frames.open_reader(path) for path in (files.log, files.state, files.ledger)}

    def _file(self, topic: str) -> sqlite3.Connection:
        return self._readers[file_of(self._files, topic)]

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
        for file in self._readers.values():
            with suppress(sqlite3.Error):
                file.close()
