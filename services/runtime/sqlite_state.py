"""The embedded state: every stage's records, wake-ups and watermarks, and the topics they publish, in one SQLite file.

All writes of one turn of the engine are one transaction, so what a stage has decided and what it has published are
durable together or not at all. Records stay decoded until the commit and are encoded once, however often a turn
changed them.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import msgspec

from services.errors import Fenced
from services.processor import Wakeup
from services.runtime import frames
from services.runtime.ports import Loaded, Write

_CHUNK = 500  # keys of one SELECT

# A turn changes records all over the file. Small pages and rare checkpoints measured a quarter of the bytes written.
PAGE = 1_024
CHECKPOINT = 64 * 1024 * 1024


class StateFile:
    """The file: opened by one engine, which holds it for as long as it lives."""

    def __init__(self, path: Path, stages: Iterable[str]):
        self.db = frames.open_file(path, PAGE, CHECKPOINT)
        self.db.execute("PRAGMA cache_size=-65536")
        self.db.execute("CREATE TABLE IF NOT EXISTS tokens (stage TEXT PRIMARY KEY, token INTEGER NOT NULL)")
        self.db.execute(
            "CREATE TABLE IF NOT EXISTS watermarks"
            " (stage TEXT, topic TEXT, offset INTEGER NOT NULL, PRIMARY KEY (stage, topic))"
        )
        self.db.execute(
            "CREATE TABLE IF NOT EXISTS wakeups (stage TEXT, due INTEGER, key TEXT, PRIMARY KEY (stage, due, key))"
            " WITHOUT ROWID"
        )
        for stage in stages:
            self.db.execute(f"CREATE TABLE IF NOT EXISTS records_{stage} (key TEXT NOT NULL, value BLOB NOT NULL)")
            self.db.execute(f"CREATE UNIQUE INDEX IF NOT EXISTS records_{stage}_key ON records_{stage} (key)")

    def begin(self) -> None:
        """Begin a turn."""
        self.db.execute("BEGIN IMMEDIATE")

    def rollback(self) -> None:
        """Give the turn up."""
        if self.db.in_transaction:
            self.db.execute("ROLLBACK")

    def close(self) -> None:
        """Close the file."""
        self.db.close()


class SqliteState:
    """One stage's part of the file. `write` keeps records decoded; `flush` encodes them, just before the commit.

    The fence: whoever loads the stage takes a new token, and with that every earlier owner is out. The file loses no
    write, so a token need not change with each of them.
    """

    def __init__(self, file: StateFile, stage: str, record: Any):
        self._db, self._stage = file.db, stage
        self._decode = msgspec.msgpack.Decoder(record).decode
        self._encode = msgspec.msgpack.Encoder().encode
        self._dirty: dict[str, msgspec.Struct | None] = {}

    async def load(self) -> Loaded:
        self._dirty.clear()
        sql = "INSERT INTO tokens VALUES (?, 1) ON CONFLICT (stage) DO UPDATE SET token = token + 1 RETURNING token"
        token = self._db.execute(sql, (self._stage,)).fetchone()[0]
        marks = self._db.execute("SELECT topic, offset FROM watermarks WHERE stage = ?", (self._stage,)).fetchall()
        return Loaded(int(token), dict(marks))

    async def get(self, token: int, keys: Sequence[str]) -> list[msgspec.Struct | None]:
        self._hold(token)
        found: dict[str, Any] = {key: self._dirty[key] for key in keys if key in self._dirty}
        missing = [key for key in keys if key not in found]
        for at in range(0, len(missing), _CHUNK):
            some = missing[at : at + _CHUNK]
            marks = ",".join("?" * len(some))
            rows = self._db.execute(
                f"SELECT key, value FROM records_{self._stage} WHERE key IN ({marks})",  # noqa: S608
                some,
            )
            found.update((key, self._decode(value)) for key, value in rows)
        return [found.get(key) for key in keys]

    async def due(self, until: int, limit: int) -> list[Wakeup]:
        rows = self._db.execute(
            "SELECT due, key FROM wakeups WHERE stage = ? AND due <= ? ORDER BY due, key LIMIT ?",
            (self._stage, until, limit),
        )
        return [Wakeup(*row) for row in rows]

    async def write(self, token: int, write: Write) -> int:
        self._hold(token)
        self._dirty.update(write.records)
        stage = self._stage
        if write.watermarks:
            marks = [(stage, topic, offset) for topic, offset in write.watermarks.items()]
            self._db.executemany("INSERT OR REPLACE INTO watermarks VALUES (?, ?, ?)", marks)
        if write.fired:
            sql = "DELETE FROM wakeups WHERE stage = ? AND due = ? AND key = ?"
            self._db.executemany(sql, [(stage, *w) for w in write.fired])
        if write.wakeups:
            self._db.executemany("INSERT OR IGNORE INTO wakeups VALUES (?, ?, ?)", [(stage, *w) for w in write.wakeups])
        return token

    def flush(self) -> None:
        """Encode and write the records that this turn changed. Call once, just before the commit."""
        table = f"records_{self._stage}"
        gone = [(key,) for key, record in self._dirty.items() if record is None]
        kept = [(key, self._encode(record)) for key, record in self._dirty.items() if record is not None]
        if gone:
            self._db.executemany(f"DELETE FROM {table} WHERE key = ?", gone)  # noqa: S608
        if kept:
            sql = f"INSERT INTO {table} VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value"  # noqa: S608
            self._db.executemany(sql, kept)
        self._dirty.clear()

    def _hold(self, token: int) -> None:
        """Raise Fenced unless this is still our stage."""
        row = self._db.execute("SELECT token FROM tokens WHERE stage = ?", (self._stage,)).fetchone()
        if token != (row[0] if row else 0):
            raise Fenced(f"{self._stage}: another engine has taken over this file")
