"""Every topic of an embedded platform, for readers in other processes: which file it lies in, and its frames."""

import sqlite3
from pathlib import Path

from schemas.topics import TOPICS
from services.runtime import frames
from services.runtime.files import Files
from services.runtime.frames import StoredFrame


def file_of(files: Files, topic: str) -> Path:
    """The file that the topic's producer writes."""
    producers = TOPICS[topic].producers
    if "collectors" in producers:
        return files.log
    return files.ledger if "delivery" in producers else files.state


class TopicReader:
    """Reads any topic. One thread uses it."""

    def __init__(self, files: Files):
        self._files = files
        self._open: dict[Path, sqlite3.Connection] = {}

    def incarnation(self, topic: str) -> str:
        """Which life of the topic this is: a file made anew has another."""
        return frames.incarnation(self._connection(topic))

    def end(self, topic: str) -> int:
        """The offset that the next frame of the topic will get."""
        return frames.end(self._connection(topic), topic)

    def read(self, topic: str, start: int, limit: int) -> list[StoredFrame]:
        """The frames from offset `start` on, in order, until they hold `limit` messages or more."""
        return frames.read(self._connection(topic), topic, start, limit)

    def _connection(self, topic: str) -> sqlite3.Connection:
        path = file_of(self._files, topic)
        if path not in self._open:
            self._open[path] = frames.open_reader(path)
        return self._open[path]
