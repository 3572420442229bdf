"""What the stages keep, looked up in the state file by any process and thread."""

import sqlite3
import threading
from collections.abc import Sequence
from pathlib import Path

from services.runtime import frames, rebuild


class SqliteRecords:
    """The port Records (ports.py): what the engine has committed. Each thread gets a connection of its own."""

    def __init__(self, path: Path):
        self._path = path
        self._local = threading.local()

    def find(self, wanted: Sequence[tuple[str, str]]) -> list[bytes | None]:
        connection, found = self._connection(), list[bytes | None]()
        for stage, key in wanted:
            row = connection.execute(f"SELECT value FROM records_{stage} WHERE key = ?", (key,)).fetchone()  # noqa: S608
            found.append(row[0] if row else None)
        return found

    def generation(self) -> int:
        return rebuild.generation(self._connection())

    def _connection(self) -> sqlite3.Connection:
        connection: sqlite3.Connection | None = getattr(self._local, "connection", None)
        if connection is None:
            connection = self._local.connection = frames.open_reader(self._path)
        return connection
