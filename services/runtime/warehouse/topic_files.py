"""The topics as the warehouse reads them: from the SQLite files that the other processes write."""

import sqlite3
from collections.abc import Sequence
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

    def partitions(self, topic: str) -> Sequence[int]:
        """All there are."""
        return (0,)

    def span(self, topic: str) -> dict[int, tuple[int, int]]:
        """The first offset that is still there, and the one that the next frame will get."""
        file = self._file(topic)
        return {0: (frames.beginning(file, topic), frames.end(file, topic))}

    def read(self, topic: str, partition: int, start: int, limit: int) -> tuple[list[StoredFrame], int]:
        """The frames from `start` on, until they hold about `limit` lines, and the offset after them."""
        found = frames.read(self._file(topic), topic, start, limit)
        return found, found[-1].offset + 1 if found else start

    def close(self) -> None:
        """Close the files."""
        for file in self._readers.values():
            with suppress(sqlite3.Error):
                file.close()
