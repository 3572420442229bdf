"""How far the warehouse has read each topic: a SQLite file of its own, with synchronous=FULL."""

import sqlite3
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from services.runtime import frames

_TABLES = """
CREATE TABLE IF NOT EXISTS watermarks (topic TEXT PRIMARY KEY, incarnation TEXT NOT NULL, offset INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS about (name TEXT PRIMARY KEY, value TEXT NOT NULL);
"""


class Watermark(NamedTuple):
    """The offset to read next, and the life of the topic that it belongs to."""

    incarnation: str
    offset: int


class Watermarks:
    """The file, open for its one writer."""

    def __init__(self, path: Path):
        self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=10)
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=FULL")
        self._db.executescript(_TABLES)

    def warehouse(self) -> str | None:
        """The name of the warehouse that these watermarks belong to; None for a new file."""
        row = self._db.execute("SELECT value FROM about WHERE name = 'warehouse'").fetchone()
        return str(row[0]) if row else None

    def belong_to(self, warehouse: str) -> None:
        """Note the warehouse that a new file belongs to."""
        self._db.execute("INSERT OR IGNORE INTO about VALUES ('warehouse', ?)", (warehouse,))

    def all(self) -> dict[str, Watermark]:
        """Every topic's watermark."""
        rows = self._db.execute("SELECT topic, incarnation, offset FROM watermarks")
        return {topic: Watermark(incarnation, offset) for topic, incarnation, offset in rows}

    def advance(self, marks: Mapping[str, Watermark]) -> None:
        """Set these, on disk when this returns, all in one transaction."""
        rows = [(topic, mark.incarnation, mark.offset) for topic, mark in marks.items()]
        with frames.transaction(self._db):
            self._db.executemany("INSERT OR REPLACE INTO watermarks VALUES (?, ?, ?)", rows)

    def close(self) -> None:
        """Close the file."""
        self._db.close()
