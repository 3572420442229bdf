"""How far the warehouse has read each topic: the port, and embedded a SQLite file with synchronous=FULL."""

import sqlite3
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple, Protocol

from services.errors import RapportError
from services.runtime import frames

_TABLES = """
CREATE TABLE IF NOT EXISTS watermarks (topic TEXT PRIMARY KEY, incarnation TEXT NOT NULL, offset INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS about (name TEXT PRIMARY KEY, value TEXT NOT NULL);
"""


class Watermark(NamedTuple):
    """The offset to read next, and the life of the topic that it belongs to."""

    incarnation: str
    offset: int


class Place(NamedTuple):
    """A partition of a topic. The embedded log's topics have one."""

    topic: str
    partition: int = 0


class Watermarks(Protocol):
    """What is noted after rows were inserted, and says where to read on."""

    def all(self) -> dict[Place, Watermark]:
        """Every watermark."""

    def advance(self, marks: Mapping[Place, Watermark]) -> None:
        """Note these. When it returns they are as lasting as the rows, and a crash leaves all of them or none."""


class WatermarkFile:
    """The file, open for its one writer. It knows the partition 0 alone."""

    def __init__(self, path: Path):
        self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=10)
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=FULL")
        self._db.executescript(_TABLES)

    def belong_to(self, warehouse: str) -> None:
        """Note the warehouse that a new file belongs to. Raises RapportError when an old one belongs to another."""
        self._db.execute("INSERT OR IGNORE INTO about VALUES ('warehouse', ?)", (warehouse,))
        if self._db.execute("SELECT value FROM about WHERE name = 'warehouse'").fetchone() != (warehouse,):
            raise RapportError(
                "clickhouse/ is not the warehouse that warehouse.db belongs to. Put the old clickhouse/ back, or delete"
                " warehouse.db to fill this one with what the log still holds"
            )

    def all(self) -> dict[Place, Watermark]:
        """Every topic's watermark."""
        rows = self._db.execute("SELECT topic, incarnation, offset FROM watermarks")
        return {Place(topic): Watermark(incarnation, offset) for topic, incarnation, offset in rows}

    def advance(self, marks: Mapping[Place, Watermark]) -> None:
        """Set these, on disk when this returns, all in one transaction."""
        rows = [(place.topic, mark.incarnation, mark.offset) for place, mark in marks.items()]
        with frames.transaction(self._db):
            self._db.executemany("INSERT OR REPLACE INTO watermarks VALUES (?, ?, ?)", rows)

    def close(self) -> None:
        """Close the file."""
        self._db.close()
