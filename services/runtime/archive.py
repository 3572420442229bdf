"""Touchpoints that the log no longer holds, read again from the warehouse."""

import sqlite3
from collections.abc import Callable

import clickhouse_connect

from services.errors import RapportError
from services.runtime import frames
from services.runtime.frames import StoredFrame
from services.runtime.settings import Settings

_FRAMES = """
SELECT offset, groupArray(payload) AS lines
FROM (SELECT offset, index, payload FROM touchpoint_log FINAL
      WHERE offset >= {start:UInt64} AND offset < {end:UInt64} ORDER BY offset, index)
GROUP BY offset ORDER BY offset LIMIT {frames:UInt32}
"""
SPAN = 2_000  # offsets asked for at once


class Archive:
    """Touchpoint frames from the warehouse, as they were in the log. Connects when it is needed."""

    def __init__(self, settings: Settings):
        self._settings = settings

    def read(self, start: int, end: int) -> list[StoredFrame]:
        """The frames of the next offsets from `start`, below `end`."""
        password = self._settings.reader_password
        client = clickhouse_connect.get_client(
            host="127.0.0.1", port=self._settings.clickhouse_port, username="reader",
            password=password.get_secret_value() if password else "",
        )  # fmt: skip
        with client:
            asked = {"start": start, "end": min(end, start + SPAN), "frames": SPAN}
            rows = client.query(_FRAMES, parameters=asked).result_rows
        return [StoredFrame(o, len(lines), 0, "\n".join(lines).encode()) for o, lines in rows]


def read_all(log: sqlite3.Connection, archive: Archive) -> Callable[[int, int], list[StoredFrame]]:
    """A reader of touchpoint frames that goes to the archive for what the log has trimmed."""

    def read(start: int, limit: int) -> list[StoredFrame]:
        beginning = frames.beginning(log, "touchpoints")
        if start < beginning:
            found = archive.read(start, beginning)
            if not found:
                raise RapportError(f"frames {start} to {beginning} are neither in the log nor in the archive")
            return found
        return frames.read(log, "touchpoints", start, limit)

    return read
